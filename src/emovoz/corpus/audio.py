"""Audio of any rate and channel count, decoded to mono at the rate an encoder wants."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from emovoz.errors import ClipError

RESAMPLER = "soxr VHQ of the mean of the channels"
SHORTEST_SECONDS = 0.025
"""One analysis window of the spectrogram; nothing can be heard in less."""
SILENCE = 1 / 32768
"""One step of 16-bit audio: a clip that never rises above it holds no sound."""
LONGEST_SECONDS = 7 * 24 * 3600
"""A header that claims more than a week does not know."""
_STREAMED = 0x7FFFF000
"""A wav written to a pipe claims a length near 2 or 4 GiB; that is no truncation."""


@dataclass(frozen=True)
class Waveform:
    """Audio in memory: samples [time] or [time, channel], and their rate in Hz."""

    samples: np.ndarray
    rate: int


def load_audio(
    audio: Path | Waveform, sample_rate: int = 16000, *, start: float | None = None, end: float | None = None
) -> np.ndarray:
    """Decode audio to one channel.

    Args:
        audio: a file that libsndfile reads (wav, flac, mp3, ogg, ...) or samples in memory.
        sample_rate: the rate wanted, Hz.
        start, end: the part wanted, seconds; all of it by default.

    Returns:
        float32 samples [time].

    Raises:
        ClipError: not audio, truncated, empty, shorter than 25 ms, silent, or with samples that are not finite.

    >>> tone = Waveform(np.sin(np.arange(8000)), rate=8000)
    >>> load_audio(tone).shape
    (16000,)
    """
    waveform = _slice(audio, start, end) if isinstance(audio, Waveform) else _read(audio, start, end)
    samples = _mono(waveform)
    seconds = len(samples) / waveform.rate
    if len(samples) == 0:
        raise ClipError("empty: it holds no samples")
    if seconds < SHORTEST_SECONDS:
        raise ClipError(f"too short: {1000 * seconds:.3g} ms, at least {1000 * SHORTEST_SECONDS:.0f} ms are needed")
    if not np.isfinite(samples).all():
        raise ClipError("samples that are not finite (NaN or infinity)")
    if np.abs(samples).max() < SILENCE:
        raise ClipError("silent: no sample rises above one 16-bit step")
    if waveform.rate != sample_rate:
        samples = soxr.resample(samples, waveform.rate, sample_rate, quality="VHQ")
    return np.ascontiguousarray(samples)


def _mono(waveform: Waveform) -> np.ndarray:
    samples = np.asarray(waveform.samples)
    if samples.ndim not in (1, 2) or waveform.rate <= 0:
        raise ClipError(f"samples of shape {samples.shape} at {waveform.rate} Hz; expected [time] or [time, channel]")
    # integers stand for -1 to 1, as in a file of that width
    scale = np.iinfo(samples.dtype).max + 1.0 if np.issubdtype(samples.dtype, np.integer) else 1.0
    samples = (samples / scale).astype(np.float32)
    return samples.mean(axis=1) if samples.ndim == 2 else samples


def seconds_of(audio: Path | Waveform, *, start: float | None = None, end: float | None = None) -> float:
    """Length of the audio in seconds, from its header alone where it is a file.

    Raises:
        ClipError: the file cannot be opened as audio.
    """
    if isinstance(audio, Waveform):
        whole = len(audio.samples) / audio.rate
    else:
        with _open(audio) as file:
            _refuse_unknown_length(file)
            whole = file.frames / file.samplerate
    return max(0.0, min(whole, whole if end is None else end) - (start or 0.0))


def _open(path: Path) -> soundfile.SoundFile:
    if not is_file(path):
        raise ClipError("no such file")
    try:
        return soundfile.SoundFile(path)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        # TypeError: soundfile takes a name ending in .raw for samples without a header
        reason = getattr(error, "error_string", "") or getattr(error, "strerror", "") or str(error)
        raise ClipError(f"not readable as audio ({reason.strip().rstrip('.')})") from error


def _read(path: Path, start: float | None, end: float | None) -> Waveform:
    with _open(path) as file:
        _refuse_cut_wav(file)
        _refuse_unknown_length(file)
        first, last = _bounds(file.frames, file.samplerate, start, end)
        try:
            file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise ClipError(f"truncated or damaged: decoding stopped ({error})") from error
        if len(samples) < last - first:
            raise ClipError(f"truncated: {len(samples)} samples where the header promises {last - first}")
        return Waveform(samples, file.samplerate)


def is_file(path: Path) -> bool:
    """Whether there is such a file; False also for a name that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False


def _refuse_unknown_length(file: soundfile.SoundFile) -> None:
    if not 0 <= file.frames < LONGEST_SECONDS * file.samplerate:
        raise ClipError("its header does not say how long it is; convert it, for instance to wav")


def _refuse_cut_wav(file: soundfile.SoundFile) -> None:
    # libsndfile shortens a cut wav in silence; only its log tells what the header claims
    claim = re.search(r"data : (\d+) \(should be (\d+)\)", file.extra_info)
    if claim and int(claim[2]) < int(claim[1]) < _STREAMED:
        raise ClipError(f"truncated: {claim[2]} bytes of samples where the header promises {claim[1]}")


def _slice(waveform: Waveform, start: float | None, end: float | None) -> Waveform:
    first, last = _bounds(len(waveform.samples), waveform.rate, start, end)
    return Waveform(waveform.samples[first:last], waveform.rate)


def _bounds(frames: int, rate: int, start: float | None, end: float | None) -> tuple[int, int]:
    first = min(frames, round((start or 0.0) * rate))
    last = frames if end is None else min(frames, round(end * rate))
    return first, max(first, last)
