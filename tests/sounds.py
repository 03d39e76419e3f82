"""Sounds that several tests write, and what is measured of them."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

AMPLITUDE = 0.3
FREQUENCY = 440.0


@dataclass(frozen=True)
class Format:
    """How soundfile writes it, what it can hold, and how far a codec may change the loudness."""

    container: str
    subtype: str
    rates: tuple[int, ...]
    channels: tuple[int, ...]
    loudness: float


# 16-bit steps and the passband ripple of the resampler are far below 0.1 %; lossy codecs aim at the ear, not at the RMS
FORMATS = {
    "wav": Format("WAV", "PCM_16", (8000, 16000, 22050, 44100, 48000), (1, 2, 4), 0.001),
    "flac": Format("FLAC", "PCM_16", (8000, 16000, 44100), (1, 2, 4), 0.001),
    "mp3": Format("MP3", "MPEG_LAYER_III", (8000, 16000, 44100, 48000), (1, 2), 0.05),
    "ogg": Format("OGG", "VORBIS", (8000, 16000, 44100), (1, 2, 4), 0.05),
    "opus": Format("OGG", "OPUS", (8000, 16000, 48000), (1, 2), 0.05),
}


def tone(rate: int, seconds: float = 1.0, frequency: float = FREQUENCY) -> np.ndarray:
    return AMPLITUDE * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def noise(seconds: float, rate: int = 16000) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(rate * seconds))


def write(path: Path, samples: np.ndarray, rate: int = 16000, kind: str = "wav", subtype: str | None = None) -> Path:
    form = FORMATS[kind]
    soundfile.write(path, samples, rate, format=form.container, subtype=subtype or form.subtype)
    return path


def peak_frequency(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax()) * rate / len(samples)


def rms(samples: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def with_one(value: float) -> np.ndarray:
    samples = tone(16000)
    samples[5000] = value
    return samples


def long_recording(path: Path, rate: int, name: str) -> Path:
    """Half a minute of stereo that sounds different at every moment, written in blocks as recorders do."""
    time = np.arange(30 * rate) / rate
    chirp = 0.3 * np.sin(2 * np.pi * (200 + 20 * time) * time)
    samples = np.stack([chirp, chirp / 2], axis=1)
    form = FORMATS[name]
    with soundfile.SoundFile(path, "w", rate, 2, format=form.container, subtype=form.subtype) as file:
        for at in range(0, len(samples), rate):
            file.write(samples[at : at + rate])
    return path
