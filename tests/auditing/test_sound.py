"""What is measured of a clip, against numbers that follow from how its sound was made."""

import math
from pathlib import Path

import numpy as np
import pytest
import soxr
from scipy.signal import firwin, lfilter

from emovoz.auditing.sound import Sound, measure
from emovoz.corpus import Waveform, load_audio
from emovoz.errors import ClipError
from sounds import cut, noise, tone, with_one, write

WHOLE = [(None, None)]


def measured(samples: np.ndarray, rate: int = 16000) -> Sound:
    (sound,) = measure(Waveform(samples, rate), WHOLE)
    assert isinstance(sound, Sound)
    return sound


def fault(audio: Path | Waveform) -> str:
    (found,) = measure(audio, WHOLE)
    assert isinstance(found, ClipError)
    return str(found)


def speech_like(seconds: float, rate: int) -> np.ndarray:
    """Noise that falls off above 500 Hz by 12 dB an octave, as speech does."""
    smooth = noise(seconds, rate)
    for _ in range(2):
        smooth = lfilter([0.18], [1, -0.82], smooth)
    return smooth / np.abs(smooth).max() / 2


@pytest.mark.parametrize(("amplitude", "level"), [(1.0, -3.01), (0.1, -23.01), (0.01, -43.01)])
def test_the_level_is_the_rms_below_full_scale(amplitude: float, level: float) -> None:
    sine = amplitude * tone(16000) / tone(16000).max()
    assert measured(sine).level == pytest.approx(level, abs=0.02)
    assert measured(sine).peak == pytest.approx(20 * math.log10(amplitude), abs=0.02)


def test_a_constant_offset_is_told_and_does_not_count_as_level() -> None:
    sound, shifted = measured(tone(16000)), measured(tone(16000) + 0.2)
    assert sound.offset == pytest.approx(0, abs=1e-3)
    # RMS of a sine is its amplitude over the root of two
    assert shifted.offset == pytest.approx(0.2 / (0.3 / math.sqrt(2)), rel=1e-2)
    assert shifted.level == pytest.approx(sound.level, abs=0.05)


def test_silence_is_what_lies_40_db_below_the_loudest_frame() -> None:
    speech = tone(16000)
    for quiet, share in ((0.009, 0.75), (0.011, 0.0), (0.0, 0.75)):
        assert measured(np.concatenate([speech, quiet * np.tile(speech, 3)])).silent == pytest.approx(share, abs=0.02)


def test_samples_at_full_scale_are_counted_in_every_channel() -> None:
    left, right = 1.5 * tone(16000) / 0.3, tone(16000)
    expected = int((np.abs(left) >= 0.999).sum())
    assert expected > 1000
    stereo = np.stack([np.clip(left, -1, 1), right], axis=1)
    assert measured(stereo).at_full_scale == expected
    assert measured(right).at_full_scale == 0


@pytest.mark.parametrize("rate", [16000, 44100])
def test_the_bandwidth_tells_telephone_speech_from_speech_however_it_is_sampled(rate: int) -> None:
    wide = speech_like(3, 16000)
    narrow = soxr.resample(wide, 16000, 8000)
    for samples, at, low, high in ((wide, 16000, 6500, 8000), (narrow, 8000, 3500, 4050)):
        sound = measured(np.round(32767 * soxr.resample(samples, at, rate)).astype(np.int16), rate)
        assert low < sound.bandwidth <= high


def test_hum_does_not_make_wide_speech_narrow() -> None:
    hum = 0.4 * np.sin(2 * np.pi * 50 * np.arange(48000) / 16000)
    assert measured(0.1 * speech_like(3, 16000) + hum).bandwidth > 4100


def test_bandwidth_is_where_a_filter_cuts() -> None:
    cut_off = lfilter(firwin(801, 2500, fs=16000, window=("kaiser", 12)), 1.0, noise(3))
    assert measured(cut_off).bandwidth == pytest.approx(2500, abs=100)


def test_a_dead_channel_and_channels_that_cancel_are_told_apart() -> None:
    sound = tone(16000)
    alike = measured(np.stack([sound, sound], axis=1))
    dead = measured(np.stack([sound, 0.001 * sound], axis=1))
    against = measured(np.stack([sound, -0.98 * sound], axis=1))
    assert (alike.channels, round(alike.channel_gap, 3), round(alike.cancelled, 3)) == (2, 0, 0)
    assert (round(dead.channel_gap), dead.cancelled < 4) == (60, True)
    assert (against.channel_gap < 1, round(against.cancelled)) == (True, 40)


def test_the_same_samples_have_the_same_digest_in_any_file_and_others_another(tmp_path: Path) -> None:
    samples = (32767 * noise(0.5)).astype(np.int16)
    files = [write(tmp_path / f"a.{kind}", samples, kind=kind) for kind in ("wav", "flac")]
    files += [write(tmp_path / "b.wav", samples + 1), write(tmp_path / "c.wav", samples, rate=8000)]
    digests = [sound.digest for file in files for sound in measure(file, WHOLE) if isinstance(sound, Sound)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_parts_of_a_long_recording_are_what_they_are_as_files(tmp_path: Path, kind: str) -> None:
    long = write(tmp_path / f"long.{kind}", np.concatenate([0.2 * i * noise(7) for i in range(1, 5)]), kind=kind)
    whole, rate = load_audio(long), 16000
    parts = [(9.0, 23.0), (0.0, 3.0), (2.5, 11.25), (21.0, None)]
    for (start, end), sound in zip(parts, measure(long, parts), strict=True):
        own = write(tmp_path / "own.wav", whole[int(start * rate) : int(end * rate) if end else None], subtype="FLOAT")
        (alone,) = measure(own, WHOLE)
        assert isinstance(sound, Sound)
        assert isinstance(alone, Sound)
        assert (sound.seconds, sound.digest) == (alone.seconds, alone.digest)
        for name in ("level", "peak", "silent", "offset", "bandwidth"):
            assert getattr(sound, name) == pytest.approx(getattr(alone, name), abs=1e-4), name


def test_blocks_do_not_show_in_what_is_measured() -> None:
    samples = np.clip(12 * noise(25), -1, 1)
    sound = measured(samples)
    assert sound.at_full_scale == int((np.abs(samples) >= 0.999).sum())
    assert sound.level == pytest.approx(20 * math.log10(float(samples.std())), abs=0.01)


def test_what_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    assert "not readable as audio" in fault(tmp_path / "text.wav")
    assert "truncated" in fault(cut(write(tmp_path / "cut.wav", noise(1)), 0.5))
    assert "no such file" in fault(tmp_path / "none.wav")
    assert "not finite" in fault(Waveform(with_one(np.nan), 16000))
    assert "silent" in fault(Waveform(np.zeros(16000), 16000))
    assert "too short" in fault(Waveform(noise(0.02), 16000))


def test_a_part_that_cannot_be_used_leaves_the_others_alone() -> None:
    samples = noise(30)
    samples[int(14.5 * 16000)] = np.nan
    good, beyond, broken, last = measure(Waveform(samples, 16000), [(0, 4), (29, 40), (14, 15), (25, 30)])
    assert isinstance(good, Sound)
    assert "the recording ends at 30.0 s" in str(beyond)
    assert "not finite" in str(broken)
    assert isinstance(last, Sound)


def test_parts_before_the_damage_of_a_file_are_measured(tmp_path: Path) -> None:
    file = cut(write(tmp_path / "long.flac", noise(40), kind="flac"), 0.6)
    good, lost = measure(file, [(1, 8), (30, 35)])
    assert isinstance(good, Sound)
    assert "truncated" in str(lost)
