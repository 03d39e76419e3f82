"""Audio: every format becomes 16 kHz mono, and what cannot be used is refused with its reason."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from emovoz.corpus import Waveform, check_audio, load_audio, load_parts, seconds_of
from emovoz.errors import ClipError
from sounds import AMPLITUDE, FORMATS, FREQUENCY, cut, noise, peak_frequency, rms, tone, with_one, write

CASES = [(name, rate, channels) for name, kind in FORMATS.items() for rate in kind.rates for channels in kind.channels]


@pytest.mark.parametrize(("name", "rate", "channels"), CASES)
def test_every_format_rate_and_channel_count_becomes_16khz_mono(
    tmp_path: Path, name: str, rate: int, channels: int
) -> None:
    path = write(tmp_path / f"clip.{name}", np.tile(tone(rate)[:, None], channels), rate, name)
    samples = load_audio(path)
    assert samples.dtype == np.float32
    assert samples.shape == (16000,)
    assert peak_frequency(samples, 16000) == pytest.approx(FREQUENCY, abs=1.0)
    inner = samples[1600:-1600]  # codecs and resamplers ring at the edges
    assert rms(inner) == pytest.approx(AMPLITUDE / math.sqrt(2), rel=FORMATS[name].loudness)
    assert seconds_of(path) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", ["wav", "flac", "ogg"])
def test_channels_are_averaged(tmp_path: Path, name: str) -> None:
    stereo = np.stack([tone(16000), np.zeros(16000)], axis=1)
    samples = load_audio(write(tmp_path / f"clip.{name}", stereo, kind=name))
    assert rms(samples[1600:-1600]) == pytest.approx(AMPLITUDE / 2 / math.sqrt(2), rel=0.05)


@pytest.mark.parametrize(("rate", "up", "down"), [(8000, 2, 1), (22050, 320, 441), (44100, 160, 441), (48000, 1, 3)])
def test_resampling_agrees_with_scipy_away_from_the_edges(tmp_path: Path, rate: int, up: int, down: int) -> None:
    chord = sum(tone(rate, frequency=f) for f in (210.0, 440.0, 1330.0)) / 3
    path = write(tmp_path / "clip.wav", np.asarray(chord), rate, subtype="FLOAT")
    ours, theirs = load_audio(path), resample_poly(chord, up, down, window=("kaiser", 12.0))
    assert len(ours) == len(theirs) == 16000
    # both filters pass these tones flat: what is left is scipy's ripple, about 1e-4 of full scale, while a shift of
    # one sample would differ by 2 pi 1330 / 16000 x 0.1 = 0.05
    np.testing.assert_allclose(ours[800:-800], theirs[800:-800], atol=5e-4)


def test_what_lies_above_the_new_nyquist_frequency_is_removed(tmp_path: Path) -> None:
    mixed = tone(48000) + tone(48000, frequency=10000.0)
    samples = load_audio(write(tmp_path / "clip.wav", mixed, 48000))
    np.testing.assert_allclose(samples[800:-800], tone(16000)[800:-800], atol=1e-3)


def test_another_rate_can_be_asked_for(tmp_path: Path) -> None:
    samples = load_audio(write(tmp_path / "clip.wav", tone(16000)), 8000)
    assert len(samples) == 8000
    assert peak_frequency(samples, 8000) == pytest.approx(FREQUENCY, abs=1.0)


def raw(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "none.wav", "no such file"),
    "folder": (lambda folder: folder, "no such file"),
    "empty file": (lambda folder: raw(folder / "a.wav", b""), "not readable as audio"),
    "empty mp3": (lambda folder: raw(folder / "a.mp3", b""), "not readable as audio"),
    "text": (lambda folder: raw(folder / "a.wav", b"esto no es audio\n" * 50), "not readable as audio"),
    "no samples": (lambda folder: write(folder / "a.wav", np.zeros(0)), "empty: it holds no samples"),
    "silent": (lambda folder: write(folder / "a.wav", np.zeros(16000)), "silent"),
    "10 ms": (lambda folder: write(folder / "a.wav", tone(16000, 0.01)), "too short: 10 ms, at least 25 ms"),
    "nan": (lambda folder: write(folder / "a.wav", with_one(math.nan), subtype="FLOAT"), "not finite"),
    "inf": (lambda folder: write(folder / "a.wav", with_one(math.inf), subtype="FLOAT"), "not finite"),
    "-inf": (lambda folder: write(folder / "a.wav", with_one(-math.inf), subtype="FLOAT"), "not finite"),
}


@pytest.mark.parametrize("fault", BAD)
def test_audio_that_cannot_be_used_is_refused_with_its_reason(tmp_path: Path, fault: str) -> None:
    make, reason = BAD[fault]
    path = make(tmp_path)
    for use in (load_audio, check_audio):
        with pytest.raises(ClipError, match=reason):
            use(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("name", ["wav", "flac", "mp3"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = write(tmp_path / f"clip.{name}", noise(2.0), kind=name)
    assert len(load_audio(path)) == 32000
    cut(path, share)
    for use in (load_audio, check_audio):
        with pytest.raises(ClipError, match=r"^truncated"):
            use(path)


def test_a_cut_ogg_gives_what_is_there_because_its_header_has_no_length(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.ogg", noise(8.0), kind="ogg")
    whole = load_audio(path)
    part = load_audio(cut(path, 0.7))
    assert 0.3 * len(whole) < len(part) < 0.8 * len(whole)
    np.testing.assert_allclose(part, whole[: len(part)], atol=1e-4)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_whose_header_was_written_to_a_pipe_is_accepted(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "clip.wav", tone(16000))
    expected = load_audio(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = size.to_bytes(4, "little")
    path.write_bytes(data)
    np.testing.assert_array_equal(load_audio(path), expected)
    assert seconds_of(path) == 1.0


def test_samples_in_memory_give_what_the_same_file_gives(tmp_path: Path) -> None:
    stereo = np.stack([tone(44100), noise(1.0, 44100)], axis=1).astype(np.float32)
    path = write(tmp_path / "clip.wav", stereo, 44100, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(Waveform(stereo, 44100)), load_audio(path))
    assert seconds_of(Waveform(stereo, 44100)) == 1.0


def test_samples_in_memory_are_checked_like_a_file() -> None:
    for samples, reason in ((np.zeros(0), "empty"), (np.zeros(16000), "silent"), (with_one(math.nan), "not finite")):
        with pytest.raises(ClipError, match=reason):
            load_audio(Waveform(samples, 16000))


def test_what_was_given_is_not_changed() -> None:
    samples = tone(16000).astype(np.float32)
    before = samples.copy()
    load_audio(Waveform(samples, 16000))[:] = 0
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize(("milliseconds", "accepted"), [(24, False), (25, True)])
def test_twenty_five_milliseconds_are_the_shortest_clip(milliseconds: int, accepted: bool) -> None:
    audio = Waveform(tone(16000, milliseconds / 1000), 16000)
    if accepted:
        assert len(load_audio(audio)) == 400
    else:
        with pytest.raises(ClipError, match="too short"):
            load_audio(audio)


def test_the_faintest_sound_that_is_not_silence_is_accepted() -> None:
    step = 1 / 32768
    assert len(load_audio(Waveform(np.full(800, step), 16000))) == 800
    with pytest.raises(ClipError, match="silent"):
        load_audio(Waveform(np.full(800, step / 2), 16000))


def test_seconds_of_a_file_that_is_no_audio_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="not readable as audio"):
        seconds_of(raw(tmp_path / "a.wav", b"no"))


def test_integers_in_memory_stand_for_minus_one_to_one() -> None:
    tone = np.sin(np.arange(16000) * 0.1) * 0.5
    whole = load_audio(Waveform((tone * 32768).astype(np.int16), 16000))
    np.testing.assert_allclose(whole, tone, atol=1e-4)


def test_a_file_of_bare_samples_and_an_impossible_name_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"0123456789" * 500)
    with pytest.raises(ClipError, match="not readable as audio"):
        load_audio(tmp_path / "a.raw")
    with pytest.raises(ClipError, match="no such file"):
        load_audio(tmp_path / ("x" * 300))


def test_a_header_without_a_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "streamed.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    data = bytearray(path.read_bytes())
    # STREAMINFO: the 36-bit number of samples is 0 where an encoder wrote to a pipe
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(ClipError, match="how long"):
        load_audio(path)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_parts_of_a_recording_in_one_pass_are_those_read_one_by_one(tmp_path: Path, suffix: str) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (44100 * 40, 2))
    path = tmp_path / f"long.{suffix}"
    soundfile.write(path, samples, 44100)
    parts = [(None, 12.0), (10.0, 21.5), (12.2, 13.8), (30.0, None)]
    found = list(load_parts(path, 16000, parts))
    for part, (start, end) in zip(found, parts, strict=True):
        one = load_audio(path, 16000, start=start, end=end)
        np.testing.assert_allclose(part, one, atol=1e-5)


def test_parts_with_a_gap_between_them_and_eight_bit_samples() -> None:
    samples = (np.arange(16000 * 30) // 16000).astype(np.float32) / 100
    seconds = [part.mean() * 100 for part in load_parts(Waveform(samples, 16000), 16000, [(0, 1), (25, 26), (29, 30)])]
    assert seconds == pytest.approx([0, 25, 29], abs=1e-3)
    assert load_audio(Waveform(np.tile(np.array([0, 128, 255], np.uint8), 2000), 16000))[:3] == pytest.approx(
        [-1, 0, 127 / 128]
    )
