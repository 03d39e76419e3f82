"""Long recordings: in pieces that memory can hold, frame by frame what the recording at once would give."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Waveform, extract
from emovoz.features import ClipFeatures, FrozenEncoders, LongClipFeatures, StoredFeatures, encode_clips
from emovoz.features.branch import mean_of
from helpers import relative_gap

RATE = 16000


@pytest.fixture(scope="module")
def long_samples(speech_samples: np.ndarray) -> np.ndarray:
    """Four minutes and a bit of demo speech at changing level: float32 [time] at 16 kHz."""
    samples = np.tile(speech_samples, 5)[: 243 * RATE + 321]
    return (samples * np.linspace(0.2, 1.0, len(samples))).astype(np.float32)


@pytest.fixture(scope="module")
def tiny(tiny_whisper: Path, tiny_bert: Path) -> FrozenEncoders:
    return FrozenEncoders.of(
        Recipe.checked({"speech": {"model": str(tiny_whisper)}, "text": {"model": str(tiny_bert)}})
    )


@pytest.mark.parametrize("model", ["tiny", "log-mel"])
def test_the_pieces_of_a_recording_are_what_the_encoder_gives_for_it_at_once(
    tiny_whisper: Path, long_samples: np.ndarray, model: str
) -> None:
    recipe = Recipe.checked({"speech": {"model": str(tiny_whisper) if model == "tiny" else model}})
    encoders = FrozenEncoders.of(recipe)
    (features,) = encode_clips([Clip("long", Waveform(long_samples, RATE))], encoders)
    assert isinstance(features, LongClipFeatures)
    lengths = [piece.by_modality["speech"].shape[1] for piece in features.pieces()]
    rate = {"tiny": 50, "log-mel": 100}[model]
    assert len(lengths) == 4
    assert all(50 * rate <= length < 100 * rate + rate * 5 for length in lengths)
    at_once = encoders.branches["speech"].encoder.encode_each([long_samples])[0]
    assert relative_gap(features.by_modality["speech"].float(), at_once.cpu()) <= 1e-3  # float16
    assert sum(lengths) == at_once.shape[1]


def test_a_part_of_a_recording_at_another_rate_is_cut_where_it_says(
    tiny: FrozenEncoders, long_samples: np.ndarray, tmp_path: Path
) -> None:
    repeated = np.repeat(long_samples, 2)  # 32 kHz
    soundfile.write(tmp_path / "long.wav", repeated, 2 * RATE, subtype="FLOAT")
    clip = Clip("part", tmp_path / "long.wav", start=20.0, end=220.0)
    waveform = Waveform(repeated[20 * 2 * RATE : 220 * 2 * RATE], 2 * RATE)
    of_file, of_samples = encode_clips([clip, Clip("samples", waveform)], tiny)
    assert isinstance(of_file, ClipFeatures)
    assert isinstance(of_samples, ClipFeatures)
    states = of_file.by_modality["speech"]
    assert states.shape[1] == 200 * 50
    assert relative_gap(states.float(), of_samples.by_modality["speech"].float()) <= 2e-3


def test_the_store_holds_pieces_and_a_recording_is_encoded_once(
    tiny: FrozenEncoders, long_samples: np.ndarray, tmp_path: Path
) -> None:
    clips = [
        Clip("long", Waveform(long_samples, RATE), transcription="la casa"),
        Clip("short", Waveform(long_samples[:RATE], RATE)),
    ]
    store = FeatureStore(tmp_path)
    assert extract(Corpus(clips), tiny, store).encoded == {"speech": 5, "text": 1}
    assert extract(Corpus(clips), tiny, store).encoded == {"speech": 0, "text": 0}
    for stored, direct in zip(StoredFeatures(Corpus(clips), tiny, store), encode_clips(clips, tiny), strict=True):
        assert isinstance(direct, ClipFeatures)
        for name, values in stored.by_modality.items():
            torch.testing.assert_close(values, direct.by_modality[name], rtol=1e-3, atol=1e-3)
    pieces = [sorted(piece.by_modality) for piece in StoredFeatures(Corpus(clips), tiny, store)[0].pieces()]
    assert pieces == [["speech", "text"], ["speech"], ["speech"], ["speech"]]


def test_a_pause_in_a_recording_is_no_fault_but_silence_throughout_is(tiny: FrozenEncoders, tmp_path: Path) -> None:
    samples = np.zeros(150 * RATE, np.float32)
    silent = Clip("silent", Waveform(samples, RATE))
    speaks = Clip(
        "speaks", Waveform(samples + np.where(np.arange(len(samples)) < RATE, 0.1, 0).astype(np.float32), RATE)
    )
    store = FeatureStore(tmp_path)
    with pytest.raises(InputError) as caught:
        extract(Corpus([silent, speaks]), tiny, store)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith("silent: silent")
    assert extract(Corpus([speaks]), tiny, store).encoded["speech"] == 0


def test_a_recording_cut_short_is_told_before_anything_of_it_is_encoded(tiny: FrozenEncoders, tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 200 * RATE), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with pytest.raises(InputError, match="truncated"):
        extract(Corpus([Clip("cut", path)]), tiny, FeatureStore(tmp_path / "store"))
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_many_segments_of_one_recording_are_contents_of_their_own(
    tiny: FrozenEncoders, long_samples: np.ndarray, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "long.wav", long_samples, RATE, subtype="FLOAT")
    clips = [Clip(f"{i}", tmp_path / "long.wav", start=float(i), end=i + 1.5) for i in range(20)]
    found = list(encode_clips(clips, tiny))
    encoder = tiny.branches["speech"].encoder
    for i, features in enumerate(found):
        assert isinstance(features, ClipFeatures)
        alone = encoder.encode_each([long_samples[i * RATE : i * RATE + RATE * 3 // 2]])[0]
        torch.testing.assert_close(features.by_modality["speech"].float(), alone.cpu(), rtol=1e-3, atol=1e-3)
    assert len({tiny.pieces(clip)["speech"][0].key for clip in [*clips, replace(clips[0], end=1.6)]}) == 21


@pytest.mark.parametrize("frames", [1, 6, 7])
def test_a_stride_averages_frames_and_the_last_ones_that_are_left(frames: int) -> None:
    states = torch.randn(2, frames, 4)
    means = mean_of(states, 3)
    expected = [states[:, i : i + 3].mean(1) for i in range(0, frames, 3)]
    torch.testing.assert_close(means, torch.stack(expected, dim=1))


def test_means_over_frames_take_no_notice_of_where_pieces_meet(tiny_whisper: Path, long_samples: np.ndarray) -> None:
    clip = Clip("long", Waveform(long_samples, RATE))
    speech = {"model": str(tiny_whisper)}
    strided, plain = (
        FrozenEncoders.of(Recipe.checked({"speech": speech, "features": {"stride": stride}})) for stride in (3, 1)
    )
    ((means,), (frames,)) = (list(encode_clips([clip], encoders)) for encoders in (strided, plain))
    assert isinstance(means, ClipFeatures)
    assert isinstance(frames, ClipFeatures)
    expected = mean_of(frames.by_modality["speech"].float(), 3)
    found = means.by_modality["speech"].float()
    assert found.shape == expected.shape
    # pieces meet a frame or two away from the middle of the overlap
    assert relative_gap(found[:, 900:1700], expected[:, 900:1700]) <= 0.1
    torch.testing.assert_close(found[:, :800], expected[:, :800], rtol=2e-3, atol=2e-3)


def test_a_contradiction_in_labels_is_told_once(
    tiny: FrozenEncoders, long_samples: np.ndarray, tmp_path: Path, shown: Callable[[], str]
) -> None:
    waveform = Waveform(long_samples, RATE)
    extract(Corpus([Clip("a", waveform, label="joy"), Clip("b", waveform, label="fear")]), tiny, FeatureStore(tmp_path))
    assert shown().count("the same audio under different labels: a (joy), b (fear)") == 1


def test_every_clip_of_an_unusable_recording_is_told(tiny: FrozenEncoders, tmp_path: Path) -> None:
    silent = Waveform(np.zeros(150 * RATE, np.float32), RATE)
    with pytest.raises(InputError) as caught:
        extract(Corpus([Clip("a", silent), Clip("b", silent)]), tiny, FeatureStore(tmp_path))
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["a", "b"]
