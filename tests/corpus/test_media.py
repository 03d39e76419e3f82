"""m4a, aac, mp4 and the like: what went in comes out, part by part the same, and damage is told."""

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovoz.corpus import Waveform, check_audio, load_audio, load_parts, seconds_of
from emovoz.corpus.recording import opened
from emovoz.errors import ClipError
from sounds import cut, rms, write

av = pytest.importorskip("av", reason="PyAV (the extra media) is not installed")

RATE = 44100


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Twelve seconds that are nowhere alike: stereo [time, 2], the right channel half as loud."""
    time = np.arange(12 * RATE) / RATE
    loudness = 0.1 + 0.1 * np.abs(np.sin(3 * time))
    left = loudness * (np.sin(2 * np.pi * (150 + 30 * time) * time) + np.sin(2 * np.pi * (900 - 20 * time) * time))
    left += 0.01 * np.random.default_rng(0).standard_normal(len(time))
    return np.stack([left, left / 2], axis=1).astype(np.float32)


def write_media(
    path: Path,
    samples: np.ndarray,
    codec: str = "aac",
    rate: int = RATE,
    *,
    picture: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode stereo samples as a recorder does, with a picture of five seconds where it films."""
    with av.open(str(path), "w", options=options or {}) as container:
        film = container.add_stream("mpeg4", rate=10) if picture else None
        track = container.add_stream(codec, rate=rate, layout="stereo") if len(samples) else None
        if film is not None:
            film.width, film.height, film.pix_fmt = 64, 64, "yuv420p"
            for i in range(50):
                image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 5 * i, np.uint8), format="rgb24")
                container.mux(film.encode(image))
            container.mux(film.encode(None))
        if track is not None:
            track.bit_rate = 128_000
            converted = av.AudioResampler(format=track.codec_context.format.name, layout="stereo", rate=rate)
            for frame in frames_of(samples, rate):
                for one in converted.resample(frame):
                    container.mux(track.encode(one))
            container.mux(track.encode(None))
    return path


def frames_of(samples: np.ndarray, rate: int) -> Iterator[Any]:
    """Frames as an encoder takes them."""
    for at in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[at : at + 1024].T), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        yield frame


def decoded(path: Path) -> np.ndarray:
    """All that FFmpeg makes of the first audio track: mono float32 [time]."""
    with av.open(str(path)) as container:
        pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(pieces, axis=1).mean(axis=0)


def lag(ours: np.ndarray, theirs: np.ndarray) -> int:
    """By how many samples the second comes later than the first."""
    size = 2 * len(ours)
    agreement = np.fft.irfft(np.fft.rfft(theirs, size) * np.conj(np.fft.rfft(ours, size)))
    at = int(agreement.argmax())
    return at if at < size // 2 else at - size


@pytest.mark.parametrize(
    ("name", "codec", "rate", "late"),
    [
        ("a.m4a", "aac", RATE, 0),
        ("a.mp4", "aac", RATE, 0),
        ("a.3gp", "aac", RATE, 0),
        ("lossless.m4a", "alac", RATE, 0),
        ("a.mkv", "aac", RATE, 0),
        ("a.webm", "libopus", 48000, 0),
        # nothing in these says what encoder and decoder put before the sound or take from it
        ("a.aac", "aac", RATE, 1024),
        ("a.avi", "ac3", RATE, 256),
        ("a.wma", "wmav2", RATE, -2048),
    ],
)
def test_what_went_in_comes_out(
    tmp_path: Path, speech: np.ndarray, name: str, codec: str, rate: int, late: int
) -> None:
    path = write_media(tmp_path / name, speech, codec, rate)
    ours, sent = load_audio(path, rate), speech.mean(axis=1)
    assert lag(sent[rate : 9 * rate], ours[rate : 9 * rate]) == late
    middle = ours[rate + late : 9 * rate + late]
    assert np.corrcoef(middle, sent[rate : 9 * rate])[0, 1] > 0.98
    assert rms(middle) == pytest.approx(rms(sent[rate : 9 * rate]), rel=0.03)
    # encoders pad their first and last frames
    assert seconds_of(path) == pytest.approx(len(sent) / rate, abs=0.06)
    assert seconds_of(path) == pytest.approx(len(ours) / rate, abs=0.05)
    check_audio(path)


def test_a_lossless_track_is_exact(tmp_path: Path, speech: np.ndarray) -> None:
    path = write_media(tmp_path / "a.m4a", speech, "alac")
    np.testing.assert_allclose(load_audio(path, RATE), speech.mean(axis=1), atol=2**-15)
    assert len(load_audio(path, RATE)) == len(speech)
    assert seconds_of(path) == 12.0


@pytest.mark.parametrize(
    ("name", "codec", "rate"), [("a.m4a", "aac", RATE), ("a.aac", "aac", RATE), ("a.webm", "libopus", 48000)]
)
def test_a_part_is_exactly_that_slice_of_the_whole(
    tmp_path: Path, speech: np.ndarray, name: str, codec: str, rate: int
) -> None:
    path = write_media(tmp_path / name, speech, codec, rate)
    whole = decoded(path)
    for start, end in ((0.0, 0.5), (1.2345, 2.0), (3.7, 10.9), (10.9, 10.95)):
        first, last = round(start * rate), round(end * rate)
        np.testing.assert_array_equal(load_audio(path, rate, start=start, end=end), whole[first:last])
        assert seconds_of(path, start=start, end=end) == (last - first) / rate
        check_audio(path, start=start, end=end)
    rest = load_audio(path, rate, start=10.0)
    np.testing.assert_array_equal(rest, whole[10 * rate :][: len(rest)])
    with pytest.raises(ClipError, match=r"ends at 13.0 s, but the recording ends at 1\d"):
        load_audio(path, start=1.0, end=13.0)


def test_the_first_audio_track_of_a_video_is_heard(tmp_path: Path, speech: np.ndarray) -> None:
    film = load_audio(write_media(tmp_path / "film.mp4", speech, picture=True), RATE)
    np.testing.assert_array_equal(film, load_audio(write_media(tmp_path / "sound.m4a", speech), RATE))


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    path = write_media(tmp_path / "mute.mp4", np.zeros((0, 2)), picture=True)
    for use in (load_audio, check_audio, seconds_of):
        with pytest.raises(ClipError, match="no audio track"):
            use(path)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(("name", "index"), [("a.m4a", "end"), ("a.mp4", "faststart"), ("a.aac", "none")])
def test_a_cut_file_is_refused(tmp_path: Path, speech: np.ndarray, name: str, index: str, share: float) -> None:
    options = {"movflags": "faststart"} if index == "faststart" else {}
    path = cut(write_media(tmp_path / name, speech[: 3 * RATE], options=options), share)
    for use in (load_audio, check_audio):
        with pytest.raises(ClipError, match=r"^(truncated|not readable as audio)"):
            use(path)


def test_damage_amid_a_file_is_refused_wherever_it_strikes(tmp_path: Path, speech: np.ndarray) -> None:
    path = write_media(tmp_path / "a.m4a", speech[: 3 * RATE])
    sound, random = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for at in range(0, len(sound) - 400, len(sound) // 25):
        path.write_bytes(sound[:at] + random.bytes(400) + sound[at + 400 :])
        try:
            assert np.isfinite(load_audio(path)).all()
        except ClipError:
            refused += 1
    assert refused > 12


def test_what_ffmpeg_would_follow_elsewhere_is_not_opened(tmp_path: Path, speech: np.ndarray) -> None:
    write_media(tmp_path / "a.aac", speech[:RATE])
    for name, text in (
        ("list.mp4", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path / 'a.aac'}\n#EXT-X-ENDLIST\n"),
        ("concat.mp4", f"ffconcat version 1.0\nfile {tmp_path / 'a.aac'}\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ClipError, match="not readable as audio"):
            load_audio(tmp_path / name)


def test_text_is_not_taken_for_anything_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("esto no es audio\n" * 50)
    with pytest.raises(ClipError, match=r"not readable as audio \(Format not recognised\)$"):
        load_audio(tmp_path / "notes.txt")


def test_without_pyav_the_way_to_it_is_told_where_it_would_help(
    tmp_path: Path, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media(tmp_path / "a.M4A", speech[:RATE])
    (tmp_path / "a.wav").write_bytes(b"no")
    monkeypatch.setitem(sys.modules, "av", None)
    for use in (load_audio, check_audio, seconds_of):
        with pytest.raises(ClipError, match=r"; to read m4a, aac, mp4 and the like: pip install 'emovoz\[media\]'$"):
            use(path)
        with pytest.raises(ClipError, match=r"^not readable as audio \([^;]*\)$"):
            use(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.m4a", "aac", RATE), ("a.mkv", "aac", RATE), ("a.webm", "libopus", 48000), ("a.avi", "mp3", RATE)],
)
def test_parts_in_one_pass_end_where_the_track_does(
    tmp_path: Path, speech: np.ndarray, name: str, codec: str, rate: int
) -> None:
    path = write_media(tmp_path / name, speech, codec, rate)
    parts = [(None, 5.0), (4.0, 9.5), (8.0, None)]
    for part, (start, end) in zip(load_parts(path, 16000, parts), parts, strict=True):
        np.testing.assert_array_equal(part, load_audio(path, 16000, start=start, end=end))


def test_a_recording_says_how_it_is_kept(tmp_path: Path, speech: np.ndarray) -> None:
    with opened(write_media(tmp_path / "a.m4a", speech)) as recording:
        assert (recording.channels, recording.form) == (2, "M4A AAC")
    with opened(write(tmp_path / "b.flac", speech, RATE, "flac")) as recording:
        assert (recording.channels, recording.form) == (2, "FLAC PCM_16")
    with opened(Waveform(speech, RATE)) as recording:
        assert recording.channels == 2
