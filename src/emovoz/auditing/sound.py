"""What is measured of the sound of a clip, in one pass over its recording."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from emovoz.corpus.audio import SILENCE, bounds_of, check_heard, finite, mono
from emovoz.corpus.fingerprints import as_16_bit
from emovoz.corpus.recording import Recording, Waveform, opened
from emovoz.errors import ClipError
from emovoz.remote import RemoteFile

FRAME_SECONDS = 0.025
QUIET_DB = 40.0
"""A frame so far below the loudest of its clip counts as silent; the pauses of a studio recording are."""
FULL_SCALE = 0.999
BEYOND = 1e-5
"""Share of the power, -50 dB, that may lie above the bandwidth."""
LOWEST_HZ = 200.0
"""Below it lies hum, as wide as a 25 ms frame makes it, which says nothing of the bandwidth."""

Part = tuple[float | None, float | None]


@dataclass(frozen=True)
class Sound:
    """What was measured of a clip, its channels averaged where nothing else is said.

    Attributes:
        seconds: its length.
        rate: Hz, as it is kept.
        channels: how many are kept.
        form: how it is kept, such as `FLAC PCM_16`.
        level: RMS without the constant part, dBFS (0 is a square wave at full scale).
        peak: greatest magnitude of any channel, dBFS.
        silent: share of the 25 ms frames that lie 40 dB or more below the loudest, or within one 16-bit step.
        at_full_scale: samples within 0.1 % of full scale or beyond it, in any channel.
        offset: the constant part, in shares of the RMS of the rest.
        bandwidth: frequency above which 0.001 % of the power lies, Hz; hum below 200 Hz is left out.
        channel_gap: between the loudest and the quietest channel, dB.
        cancelled: what averaging the channels takes from their mean power, dB.
        digest: hash of the samples, channels averaged, as 16-bit numbers: whatever the file is called or how it packs
            them.
    """

    seconds: float
    rate: int
    channels: int
    form: str
    level: float
    peak: float
    silent: float
    at_full_scale: int
    offset: float
    bandwidth: float
    channel_gap: float
    cancelled: float
    digest: str


def measure(audio: Path | Waveform | RemoteFile, parts: Sequence[Part]) -> list[Sound | ClipError]:
    """Measure parts of a recording, which is read once, in blocks, however long it is.

    Args:
        audio: as in `load_audio`.
        parts: (start, end) of each, seconds; None where it begins or ends with the recording.

    Returns:
        for each part what was measured, or why it cannot be used.

    >>> (tone,) = measure(Waveform(np.sin(np.arange(16000)), 16000), [(None, None)])
    >>> round(tone.level, 1), tone.silent, round(tone.bandwidth, -3)
    (-3.0, 0.0, 3000.0)
    """
    try:
        with opened(audio) as recording:
            meters = [_meter(recording, part) for part in parts]
            fed = [meter for meter in meters if isinstance(meter, _Meter)]
            _feed(recording, fed)
            return [meter.result() if isinstance(meter, _Meter) else meter for meter in meters]
    except ClipError as error:
        return [error.bare()] * len(parts)


class _Meter:
    """Sums over the frames from `first` to before `last` of a recording, block by block."""

    def __init__(self, recording: Recording, first: int, last: int) -> None:
        self.recording, self.first, self.last = recording, first, last
        self.error: ClipError | None = None
        self._frames = self._at_full_scale = 0
        self._sum = self._squares = self._peak = self._mono_peak = 0.0
        self._powers = np.zeros(recording.channels)
        self._width = max(1, math.ceil(FRAME_SECONDS * recording.rate))
        self._left = np.empty(0, np.float32)
        self._energies: list[np.ndarray] = []
        # a frame of 44.1 kHz has a prime number of samples, of which transforms are slow
        self._points = 1 << (self._width - 1).bit_length()
        self._spectrum = np.zeros(self._points // 2 + 1)
        self._digest = hashlib.sha256()

    def add(self, block: np.ndarray) -> None:
        """Take in samples [time] or [time, channel]; after one that is not finite, nothing more."""
        if self.error:
            return
        try:
            samples = finite(mono(block))
        except ClipError as error:
            self.error = error.bare()
            return
        magnitude, powers = _by_channel(block, samples)
        self._powers = self._powers + powers
        self._peak = max(self._peak, float(magnitude.max(initial=0.0)))
        self._mono_peak = max(self._mono_peak, float(np.abs(samples).max(initial=0.0)))
        self._at_full_scale += int((magnitude >= FULL_SCALE).sum())
        self._frames += len(samples)
        self._sum += float(samples.sum(dtype=np.float64))
        self._squares += float(np.square(samples, dtype=np.float64).sum())
        self._digest.update(as_16_bit(samples))
        self._add_frames(samples)

    def _add_frames(self, samples: np.ndarray) -> None:
        samples = np.concatenate([self._left, samples])
        whole = len(samples) // self._width
        frames = samples[: whole * self._width].reshape(whole, self._width)
        # a copy: a view would keep all the samples it is of
        self._left = samples[whole * self._width :].copy()
        self._energies.append(np.square(frames - frames.mean(axis=1, keepdims=True)).mean(axis=1))
        self._spectrum += np.square(np.abs(np.fft.rfft(frames * _window(self._width), self._points))).sum(axis=0)

    def result(self) -> Sound | ClipError:
        """What was measured, or why the clip cannot be used."""
        if self.error:
            return self.error
        try:
            check_heard(self._frames, self.recording.rate, self._mono_peak >= SILENCE)
        except ClipError as error:
            return error.bare()
        mean = self._sum / self._frames
        energies = np.concatenate(self._energies)
        channels = self._powers / self._frames
        power = max(0.0, self._squares / self._frames - mean**2)
        quiet = max(float(energies.max()) * 10 ** (-QUIET_DB / 10), SILENCE**2)
        return Sound(
            seconds=self._frames / self.recording.rate,
            rate=self.recording.rate,
            channels=self.recording.channels,
            form=self.recording.form,
            level=_decibels(power),
            peak=_decibels(self._peak**2),
            silent=float(np.mean(energies < quiet)),
            at_full_scale=self._at_full_scale,
            offset=abs(mean) / math.sqrt(max(power, SILENCE**2)),
            bandwidth=_bandwidth(self._spectrum, self.recording.rate / self._points),
            channel_gap=_decibels(float(channels.max())) - _decibels(float(channels.min())),
            cancelled=_decibels(float(channels.mean())) - _decibels(power + mean**2),
            digest=f"{self.recording.rate}:{self._digest.hexdigest()}",
        )


@cache
def _window(width: int) -> np.ndarray:
    return np.hanning(width)


def _meter(recording: Recording, part: Part) -> _Meter | ClipError:
    try:
        return _Meter(recording, *bounds_of(recording, *part))
    except ClipError as error:
        return error.bare()


def _feed(recording: Recording, meters: Sequence[_Meter]) -> None:
    """Read what the meters want, and give each its own; where reading fails, those that still wanted more fail."""
    if not meters:
        return
    at = min(meter.first for meter in meters)
    blocks = recording.blocks(at, max(meter.last for meter in meters))
    try:
        for block in blocks:
            for meter in meters:
                if meter.first < at + len(block) and at < meter.last:
                    meter.add(block[max(0, meter.first - at) : meter.last - at])
            at += len(block)
    except ClipError as error:
        for meter in meters:
            if meter.last > at:
                meter.error = meter.error or error.bare()


def _by_channel(block: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The greatest magnitude of each moment [time], and the summed power of each channel [channel]."""
    if block.ndim == 1 or block.shape[1] == 1:
        channels = [samples]
    else:
        channels = [mono(np.ascontiguousarray(channel)) for channel in block.T]
    # one channel after the other: across so short an axis numpy is slow
    magnitude = np.abs(channels[0])
    for channel in channels[1:]:
        np.maximum(magnitude, np.abs(channel), out=magnitude)
    return magnitude, np.array([np.square(channel, dtype=np.float64).sum() for channel in channels])


def _bandwidth(spectrum: np.ndarray, spacing: float) -> float:
    """Where all but a small share of the power above the hum lies below, Hz; `spacing` is that of the spectrum."""
    power = np.where(np.arange(len(spectrum)) * spacing < LOWEST_HZ, 0.0, spectrum)
    above = power[::-1].cumsum()[::-1]
    return float(np.flatnonzero(above > BEYOND * above[0]).max(initial=0) * spacing)


def _decibels(power: float) -> float:
    """Of a power relative to full scale; that of one 16-bit step, -90 dB, is the least."""
    return 10 * math.log10(max(power, SILENCE**2))
