"""Audio of any rate and channel count, decoded to mono at the rate an encoder wants."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soxr

from emovoz.corpus.recording import Recording, Waveform, opened
from emovoz.errors import ClipError
from emovoz.remote import RemoteFile

RESAMPLER = "soxr VHQ of the mean of the channels"
SHORTEST_SECONDS = 0.025
"""One analysis window of the spectrogram; nothing can be heard in less."""
SILENCE = 1 / 32768
"""One step of 16-bit audio: a clip that never rises above it holds no sound."""
ROUNDING_SECONDS = 0.1
"""What the end of a part may lie beyond the end of its recording: times are written rounded."""


def load_audio(
    audio: Path | Waveform | RemoteFile,
    sample_rate: int = 16000,
    *,
    start: float | None = None,
    end: float | None = None,
) -> np.ndarray:
    """Decode audio to one channel; of a part, only the part is read.

    Args:
        audio: a file that libsndfile reads (wav, flac, mp3, ogg, opus, ...) or, with the extra `media`, PyAV
            (m4a, aac, wma, the first audio track of a video, ...), here or at a URL; or samples in memory.
        sample_rate: the rate wanted, Hz.
        start, end: the part wanted, seconds; all of it by default.

    Returns:
        float32 samples [time].

    Raises:
        ClipError: not audio, truncated, empty, shorter than 25 ms, silent, or with samples that are not finite; or
            a part that lies beyond the end.

    >>> tone = Waveform(np.sin(np.arange(8000)), rate=8000)
    >>> load_audio(tone).shape
    (16000,)
    """
    with opened(audio) as recording:
        samples = np.concatenate(list(sound_of(recording, start, end)))
    return _at_rate(samples, recording.rate, sample_rate)


def load_parts(
    audio: Path | Waveform | RemoteFile, sample_rate: int, parts: Sequence[tuple[float | None, float | None]]
) -> Iterator[np.ndarray]:
    """Parts of a long recording one after the other, decoded in one pass; they may overlap, and may be silent.

    Args:
        audio: as in `load_audio`.
        sample_rate: the rate wanted, Hz.
        parts: (start, end) of each, seconds, in order of their starts.

    Yields:
        float32 samples [time] of each part.

    Raises:
        ClipError: not audio, truncated, samples that are not finite, or a part that lies beyond the end.

    >>> ramp = Waveform(np.linspace(0, 1, 16000), rate=16000)
    >>> [len(part) for part in load_parts(ramp, 16000, [(None, 0.5), (0.25, None)])]
    [8000, 12000]
    """
    with opened(audio) as recording:
        bounds = [bounds_of(recording, start, end) for start, end in parts]
        at = bounds[0][0]
        blocks = recording.blocks(at, max(last for _, last in bounds))
        held = np.empty(0, np.float32)
        for first, last in bounds:
            # blocks may end a little early where a container tells its length rounded
            while at + len(held) < last and (block := next(blocks, None)) is not None:
                held = np.concatenate([held, finite(mono(block))])
                passed = min(max(0, first - at), len(held))
                held, at = held[passed:], at + passed
            passed = max(0, first - at)
            held, at = held[passed:], at + passed
            yield _at_rate(held[: last - at], recording.rate, sample_rate)


def check_audio(audio: Path | Waveform | RemoteFile, *, start: float | None = None, end: float | None = None) -> None:
    """Go through audio once, however long it is, without keeping it.

    Raises:
        ClipError: whatever `load_audio` would refuse.

    >>> check_audio(Waveform(np.zeros(16000), rate=16000))
    Traceback (most recent call last):
    emovoz.errors.ClipError: silent: no sample rises above one 16-bit step
    """
    with opened(audio) as recording:
        for _ in sound_of(recording, start, end):
            pass


def seconds_of(audio: Path | Waveform | RemoteFile, *, start: float | None = None, end: float | None = None) -> float:
    """Length of the audio in seconds, without decoding it where it is a file.

    Raises:
        ClipError: the file cannot be opened as audio, or the part lies beyond its end.
    """
    with opened(audio) as recording:
        first, last = bounds_of(recording, start, end)
        return (last - first) / recording.rate


def sound_of(recording: Recording, start: float | None, end: float | None) -> Iterator[np.ndarray]:
    """The part of a recording as mono blocks [time]; what cannot be used is refused as soon as that is known.

    Raises:
        ClipError: whatever `load_audio` would refuse.
    """
    frames, heard = 0, False
    for block in recording.blocks(*bounds_of(recording, start, end)):
        samples = finite(mono(block))
        frames += len(samples)
        heard = heard or bool(np.abs(samples).max(initial=0.0) >= SILENCE)
        yield samples
    check_heard(frames, recording.rate, heard)


def check_heard(frames: int, rate: int, heard: bool) -> None:
    """Refuse what is no clip: no samples, too few of them, or none of which anything was `heard`.

    Raises:
        ClipError: why it cannot be used.
    """
    seconds = frames / rate
    if frames == 0:
        raise ClipError("empty: it holds no samples")
    if seconds < SHORTEST_SECONDS:
        raise ClipError(f"too short: {1000 * seconds:.3g} ms, at least {1000 * SHORTEST_SECONDS:.0f} ms are needed")
    if not heard:
        raise ClipError("silent: no sample rises above one 16-bit step")


def mono(block: np.ndarray) -> np.ndarray:
    """The mean of the channels of samples [time] or [time, channel], integers brought to -1 to 1: float32 [time]."""
    if np.issubdtype(block.dtype, np.integer):
        # integers stand for -1 to 1, as in a file of that width; unsigned ones around their middle
        width = np.iinfo(block.dtype)
        middle = (width.max + 1.0) / 2 if width.min == 0 else 0.0
        block = (block - middle) / (width.max + 1.0 - middle)
    samples = block.astype(np.float32, copy=False)
    return samples.mean(axis=1) if samples.ndim == 2 else samples


def finite(samples: np.ndarray) -> np.ndarray:
    """The same samples; ClipError where one of them is not finite."""
    if not np.isfinite(samples).all():
        raise ClipError("samples that are not finite (NaN or infinity)")
    return samples


def _at_rate(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    return np.ascontiguousarray(samples if rate == wanted else soxr.resample(samples, rate, wanted, quality="VHQ"))


def resampled(blocks: Iterable[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    """Blocks [time] that go on from each other, at another rate: together what the whole would be at once.

    >>> ramp = np.linspace(0, 1, 800, dtype=np.float32)
    >>> sum(len(block) for block in resampled(np.split(ramp, 8), 8000, 16000))
    1600
    """
    if rate == wanted:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="VHQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def bounds_of(recording: Recording, start: float | None, end: float | None) -> tuple[int, int]:
    """The first frame of a part, and the one after its last.

    Raises:
        ClipError: it is no part of this recording.
    """
    first = round((start or 0.0) * recording.rate)
    last = recording.frames if end is None else round(end * recording.rate)
    whole = f"the recording ends at {_seconds(recording.seconds)}"
    if first < 0 or (end is not None and last <= first):
        raise ClipError(f"no part of a recording: from {_seconds(start or 0.0)} to {_seconds(end)}")
    if first and first >= recording.frames:
        raise ClipError(f"starts at {_seconds(start)}, but {whole}")
    if last - recording.frames > ROUNDING_SECONDS * recording.rate:
        raise ClipError(f"ends at {_seconds(end)}, but {whole}")
    return first, min(last, recording.frames)


def _seconds(time: float | None) -> str:
    return "its end" if time is None else f"{round(time, 3)} s"
