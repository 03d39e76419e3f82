"""Timelines: each utterance judged as if it were a clip, smoothed as written, and nothing lost of a damaged file."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from emovoz import Clip, Corpus, InputError, Recognizer, Waveform
from emovoz.corpus import load_audio
from emovoz.inference.listening import listener_of
from emovoz.inference.segment import Segment
from emovoz.inference.smoothing import smoothed
from emovoz.inference.spoken import spoken
from emovoz.inference.timeline import Timeline
from emovoz.transcription import Word
from emovoz.utterances import Limits, Utterance
from exports import recognizer_of

RATE = 16000
PAUSE = np.zeros(RATE, np.float32)


@pytest.fixture(scope="module")
def samples(demo: Corpus) -> np.ndarray:
    """Six demo clips with a second of silence after each, float32 [time]."""
    clips = [load_audio(clip.audio) for clip in demo.clips[:6] if clip.audio is not None]
    return np.concatenate([part for clip in clips for part in (clip, PAUSE)])


@pytest.fixture(scope="module")
def recording(samples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "six.wav"
    soundfile.write(path, samples, RATE)
    return path


@pytest.fixture(scope="module")
def timeline(untrained: Recognizer, recording: Path) -> Timeline:
    return untrained.predict_timeline(recording)


def row(scores: dict[str, float]) -> list[float]:
    return [scores[label] for label in ("anger", "fear", "joy")]


def test_each_utterance_is_judged_as_that_part_of_the_recording(
    untrained: Recognizer, recording: Path, timeline: Timeline
) -> None:
    parts = [Clip(str(one.start), recording, start=one.start, end=one.end) for one in timeline.segments]
    assert len(parts) == 6
    for segment, prediction in zip(timeline.segments, untrained.predict(parts), strict=True):
        assert segment.label == prediction.label
        assert row(segment.scores) == pytest.approx(row(prediction.scores), abs=1e-4)
        assert segment.modalities == ("speech",)


def test_the_whole_is_the_mean_over_the_time_spoken(timeline: Timeline) -> None:
    seconds = [one.end - one.start for one in timeline.segments]
    mean = np.average([row(one.scores) for one in timeline.segments], axis=0, weights=seconds)
    assert row(timeline.scores) == pytest.approx(mean.tolist())
    assert timeline.label == ("anger", "fear", "joy")[int(mean.argmax())]
    assert timeline.seconds == pytest.approx(seconds_of_all(timeline), abs=0.001)


def seconds_of_all(timeline: Timeline) -> float:
    return soundfile.info(timeline.id).duration


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (8000, 1)])
def test_any_rate_and_number_of_channels_gives_the_same_utterances(
    untrained: Recognizer, samples: np.ndarray, timeline: Timeline, rate: int, channels: int
) -> None:
    other = np.stack([soxr.resample(samples, RATE, rate)] * channels, axis=1)
    found = untrained.predict_timeline(other, rate=rate)
    assert [one.start for one in found.segments] == pytest.approx([one.start for one in timeline.segments], abs=0.1)
    assert found.seconds == pytest.approx(timeline.seconds, abs=0.001)


def test_thresholds_decide_in_it_too(untrained: Recognizer, recording: Path) -> None:
    found = untrained.predict_timeline(recording, thresholds={"fear": 0.001}, smooth=5)
    assert {one.label for one in found.segments} == {"fear"} == {found.label}


def test_smoothing_is_the_mean_by_length_and_nearness(
    untrained: Recognizer, recording: Path, timeline: Timeline
) -> None:
    reach = 6.0
    found = untrained.predict_timeline(recording, smooth=reach)
    scores = np.array([row(one.scores) for one in timeline.segments])
    middles = np.array([(one.start + one.end) / 2 for one in timeline.segments])
    lengths = np.array([one.end - one.start for one in timeline.segments])
    weights = lengths * np.clip(1 - np.abs(middles[:, None] - middles) / reach, 0, None)
    expected = weights @ scores / weights.sum(axis=1, keepdims=True)
    assert (weights > 0).sum() > 10
    np.testing.assert_allclose([row(one.scores) for one in found.segments], expected, atol=1e-6)
    for one in found.segments:
        assert one.label == max(one.scores, key=lambda label: one.scores[label])


def test_smoothing_waits_no_longer_than_neighbours_can_count() -> None:
    given: list[int] = []

    def segments() -> list[Segment]:
        return [Segment(2.0 * i, 2.0 * i + 1, "joy", {"joy": 1.0}) for i in range(10)]

    def coming() -> object:
        for i, one in enumerate(segments()):
            given.append(i)
            yield one

    out = smoothed(coming(), 5.0, lambda scores: "joy")  # type: ignore[arg-type]
    next(out)
    # the third after the first begins beyond the reach
    assert given == [0, 1, 2, 3]


def test_one_that_could_not_be_judged_counts_for_no_other() -> None:
    good = Segment(0, 1, "joy", {"joy": 0.9})
    bad = Segment(1, 2, error="silent")
    first, second = smoothed([good, bad], 10.0, lambda scores: "joy")
    assert first.scores["joy"] == pytest.approx(0.9)
    assert second == bad


@pytest.mark.parametrize("kind", ["digital silence", "noise"])
def test_a_recording_without_speech_has_no_segments_and_no_label(untrained: Recognizer, kind: str) -> None:
    noise = 0.02 * np.random.default_rng(0).standard_normal(5 * RATE)
    found = untrained.predict_timeline(noise if kind == "noise" else np.zeros(5 * RATE), rate=RATE)
    assert (found.segments, found.label, found.scores, found.error) == ((), None, {}, None)
    assert found.to_dict()["segments"] == []
    assert found.text("srt") == ""


def test_what_was_heard_before_the_damage_is_kept(
    untrained: Recognizer, samples: np.ndarray, timeline: Timeline, tmp_path: Path
) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, samples, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 4 // 5])
    found = untrained.predict_timeline(path)
    assert found.error is not None
    assert "truncated" in found.error
    assert 1 <= len(found.segments) < 6
    assert row(found.segments[0].scores) == pytest.approx(row(timeline.segments[0].scores), abs=1e-4)
    assert list(found.to_dict()) == ["id", "error", "segments"]
    assert "truncated" in found.text("csv").splitlines()[-1]


def test_what_is_no_recording_is_told(untrained: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nada")
    assert "not readable as audio" in str(untrained.predict_timeline(tmp_path / "a.txt").error)
    assert untrained.predict_timeline(tmp_path / "nowhere.wav").error == "no such file"
    assert "no audio" in str(untrained.predict_timeline(Clip("words", transcription="hola")).error)
    with pytest.raises(InputError, match="recordings where one is wanted"):
        untrained.predict_timeline(tmp_path.parent)
    with pytest.raises(InputError, match=r"smooth -1: seconds are wanted"):
        untrained.predict_timeline(tmp_path / "a.wav", smooth=-1)


def test_a_model_without_ears_needs_the_words(tiny_bert: Path, recording: Path) -> None:
    reader = recognizer_of("text", f"text.model={tiny_bert}", "text.layers=all")
    with pytest.raises(InputError, match="reads words and hears no sound"):
        reader.predict_timeline(recording)


def test_words_go_to_the_utterance_that_is_nearest_in_the_time_of_the_recording() -> None:
    def utterance(start: float, end: float) -> Utterance:
        return Utterance(start, end, np.full(round((end - start) * RATE), start, np.float32))

    heard: list[np.ndarray] = []

    def recognised(samples: np.ndarray) -> tuple[Word, ...]:
        heard.append(samples)
        # a word a second, from the beginning of what is given
        return tuple(Word(f"w{k}", float(k), k + 0.5, 1.0) for k in range(int(len(samples) / RATE)))

    given = [utterance(10, 12), utterance(13, 15), utterance(50, 52)]
    first, second, third = spoken(given, recognised, 30.0)
    assert [(word.text, word.start) for word in first.words] == [("w0", 10.0), ("w1", 11.0), ("w2", 12.0)]
    assert [(word.text, word.start) for word in second.words] == [("w3", 13.0), ("w4", 14.0)]
    assert third.text == "w0 w1"
    assert [len(samples) / RATE for samples in heard] == [5.0, 2.0]
    # silence where nobody speaks, so that times stay
    assert (heard[0][2 * RATE : 3 * RATE] == 0).all()
    assert (heard[0][3 * RATE :] == 13).all()


def test_words_are_recognised_and_read(untrained: Recognizer, samples: np.ndarray) -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper (the extra asr) is not installed")
    from emovoz.transcription import Transcriber

    two = samples[: 7 * RATE]
    found = untrained.predict_timeline(Waveform(two, RATE), transcriber=Transcriber.load("whisper-base", "es"))
    assert len(found.segments) == 2
    for segment in found.segments:
        assert segment.modalities == ("speech", "text")
        assert segment.words
        assert segment.words[0].start >= segment.start - 0.3
        assert segment.words[-1].end <= segment.end + 0.3
    assert found.transcription is not None
    assert found.transcription.startswith(str(found.segments[0].transcription))
    assert f"] {found.segments[0].transcription}\n" in found.text("srt")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_sound_of_a_video_has_a_timeline(
    untrained: Recognizer, samples: np.ndarray, timeline: Timeline, tmp_path: Path, name: str
) -> None:
    pytest.importorskip("av", reason="PyAV (the extra media) is not installed")
    from videos import write_video

    path = write_video(tmp_path / name, samples, RATE)
    found = untrained.predict_timeline(path)
    assert found.error is None
    assert [one.start for one in found.segments] == pytest.approx([one.start for one in timeline.segments], abs=0.15)
    (whole,) = untrained.predict(path)
    assert whole.error is None
    assert whole.seconds == pytest.approx(timeline.seconds, abs=0.2)


def test_it_is_written_in_every_form(timeline: Timeline, tmp_path: Path) -> None:
    for ending in ("json", "csv", "srt", "txt", "png"):
        timeline.save(tmp_path / f"six.{ending}")
    told = json.loads((tmp_path / "six.json").read_text())
    assert (told["label"], len(told["segments"])) == (timeline.label, 6)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "six.csv").read_text())))
    assert [float(one["end"]) for one in rows] == [one.end for one in timeline.segments]
    assert float(rows[2]["score_joy"]) == timeline.segments[2].scores["joy"]
    cues = (tmp_path / "six.srt").read_text().split("\n\n")
    assert cues[0].startswith("1\n00:00:00,000 --> 00:00:02,")
    assert cues[0].endswith("]")
    labels = [line.split("\t") for line in (tmp_path / "six.txt").read_text().splitlines()]
    assert [(float(start), float(end), label) for start, end, label in labels] == [
        (one.start, one.end, one.label) for one in timeline.segments
    ]
    assert (tmp_path / "six.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r"a timeline is written as \.json"):
        timeline.save(tmp_path / "six.wav")


def test_segments_come_while_the_sound_goes_on(untrained: Recognizer, samples: np.ndarray) -> None:
    taken = 0

    def blocks() -> object:
        nonlocal taken
        for block in np.array_split(samples, len(samples) // 1600):
            taken += len(block)
            yield block

    listener = listener_of(untrained, batch_size=1, limits=Limits(pause=0.4))
    first = next(listener.segments(blocks()))  # type: ignore[arg-type]
    assert taken / RATE - first.end < 0.6
