"""Parts of longer recordings, and recordings of any length: exact, checked, and never wholly in memory."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from emovoz.corpus import Waveform, check_audio, load_audio, load_parts, seconds_of
from emovoz.errors import ClipError
from sounds import cut, long_recording, noise, tone, with_one, write


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [(0.5, 1.25, 8000, 20000), (None, 0.75, 0, 12000), (1.5, None, 24000, 32000), (1.0, 2.1, 16000, 32000)],
)
@pytest.mark.parametrize("name", ["wav", "flac"])
def test_a_segment_is_that_slice_of_the_whole(
    tmp_path: Path, name: str, start: float | None, end: float | None, first: int, last: int
) -> None:
    path = write(tmp_path / f"clip.{name}", noise(2.0), kind=name)
    whole = load_audio(path)
    np.testing.assert_array_equal(load_audio(path, start=start, end=end), whole[first:last])
    memory = Waveform(whole, 16000)
    np.testing.assert_array_equal(load_audio(memory, start=start, end=end), whole[first:last])
    for audio in (path, memory):
        assert seconds_of(audio, start=start, end=end) == pytest.approx((last - first) / 16000)


PARTS = [(0.0, 0.5), (1.2345, 2.0), (15.5, 20.25), (29.0, None), (None, None)]


@pytest.mark.parametrize(
    ("name", "rate"), [("wav", 44100), ("flac", 22050), ("mp3", 44100), ("ogg", 16000), ("opus", 48000)]
)
def test_parts_of_a_long_recording_are_slices_of_what_soundfile_reads(tmp_path: Path, name: str, rate: int) -> None:
    path = long_recording(tmp_path / f"long.{name}", rate, name)
    whole = soundfile.read(path, dtype="float32")[0].mean(axis=1)
    for start, end in PARTS:
        first, last = round((start or 0) * rate), len(whole) if end is None else round(end * rate)
        # an mp3 decoder that jumped into the file differs in the last bit of a float
        np.testing.assert_allclose(load_audio(path, rate, start=start, end=end), whole[first:last], rtol=0, atol=2e-7)
        assert seconds_of(path, start=start, end=end) == (last - first) / rate
        check_audio(path, start=start, end=end)


@pytest.mark.parametrize("name", ["wav", "mp3", "ogg", "flac"])
def test_a_part_at_another_rate_is_the_resampled_slice(tmp_path: Path, name: str) -> None:
    path = long_recording(tmp_path / f"long.{name}", 48000, name)
    whole = soundfile.read(path, dtype="float32")[0].mean(axis=1)
    expected = resample_poly(whole[15 * 48000 : 18 * 48000], 1, 3, window=("kaiser", 12.0))
    ours = load_audio(path, 16000, start=15.0, end=18.0)
    assert len(ours) == 48000
    # scipy's ripple, and what a lossy codec leaves where the two filters part; a shift of a sample would be 0.08
    np.testing.assert_allclose(ours[800:-800], expected[800:-800], atol=2e-3)


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (3.0, None, r"starts at 3.0 s, but the recording ends at 1.0 s"),
        (1.0, None, r"starts at 1.0 s, but the recording ends at 1.0 s"),
        (0.5, 1.101, r"ends at 1.101 s, but the recording ends at 1.0 s"),
        (2.0, 3.0, r"starts at 2.0 s, but the recording ends at 1.0 s"),
        (0.5, 0.5, r"no part of a recording: from 0.5 s to 0.5 s"),
        (-0.5, None, r"no part of a recording: from -0.5 s to its end"),
    ],
)
def test_a_part_beyond_the_end_is_refused_with_both_times(
    tmp_path: Path, start: float, end: float | None, reason: str
) -> None:
    path = write(tmp_path / "clip.wav", noise(1.0))
    for audio in (path, Waveform(noise(1.0), 16000)):
        for use in (load_audio, check_audio, seconds_of):
            with pytest.raises(ClipError, match=reason):
                use(audio, start=start, end=end)


def test_an_end_that_was_rounded_up_is_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.wav", noise(1.04))
    assert len(load_audio(path, start=0.5, end=1.1)) == 8640
    assert seconds_of(path, start=0.5, end=1.1) == pytest.approx(0.54)


def test_only_the_part_wanted_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.flac", noise(30.0), kind="flac")
    whole = load_audio(path)
    # what lies behind the part may be missing
    np.testing.assert_array_equal(load_audio(cut(path, 0.5), start=1.0, end=2.0), whole[16000:32000])


def test_a_silent_part_is_a_fault_alone_and_none_in_a_long_recording() -> None:
    audio = Waveform(np.concatenate([tone(16000), np.zeros(16000)]), 16000)
    with pytest.raises(ClipError, match="silent"):
        load_audio(audio, start=1.0)
    (part,) = load_parts(audio, 16000, [(1.0, None)])
    np.testing.assert_array_equal(part, np.zeros(16000))
    for samples, reason in ((np.zeros(100), "too short"), (np.zeros(0), "empty"), (with_one(math.nan), "not finite")):
        with pytest.raises(ClipError, match=reason):
            load_audio(Waveform(samples, 16000))


@pytest.mark.parametrize("at", [0.0, 12.0, 24.9])
def test_a_sound_or_a_fault_anywhere_in_a_long_recording_is_found(tmp_path: Path, at: float) -> None:
    samples = np.zeros(25 * 16000, np.float32)
    samples[int(at * 16000)] = 0.5
    for value, refused in ((0.5, None), (math.nan, "not finite"), (0.0, "silent")):
        samples[int(at * 16000)] = value
        path = write(tmp_path / "long.wav", samples, subtype="FLOAT")
        for audio in (path, Waveform(samples, 16000)):
            if refused is None:
                check_audio(audio)
                np.testing.assert_array_equal(load_audio(audio), samples)
            else:
                with pytest.raises(ClipError, match=refused):
                    check_audio(audio)


def test_an_hour_is_checked_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    with soundfile.SoundFile(path, "w", 16000, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(noise(60.0))
    tracemalloc.start()
    check_audio(path)
    load_audio(path, start=3500, end=3530)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the whole hour would be 230 MB as float32
    assert peak < 30e6
