"""Whisper's log-mel spectrogram, of one clip alone."""

import numpy as np
import torch
from torch import Tensor

SAMPLE_RATE = 16000
WINDOW = 400
HOP = 160
CEILING = 8.0


def mel_filters(bands: int, fft: int = WINDOW) -> Tensor:
    """Mel filter bank [band, frequency] for a Fourier transform of `fft` points: Slaney scale and norm, 0 to 8 kHz."""
    corners = _hertz(np.linspace(0.0, _mel(SAMPLE_RATE / 2), bands + 2))
    slopes = corners - np.linspace(0, SAMPLE_RATE // 2, 1 + fft // 2)[:, None]
    widths = np.diff(corners)
    triangles = np.maximum(0.0, np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]))
    triangles *= 2.0 / (corners[2:] - corners[:-2])
    return torch.from_numpy(np.ascontiguousarray(triangles.T)).float()


def _mel(hertz: float) -> float:
    """Slaney's scale above 1 kHz, where it is logarithmic."""
    return 15.0 + np.log(hertz / 1000.0) * (27.0 / np.log(6.4))


def _hertz(mels: np.ndarray) -> np.ndarray:
    """Back from Slaney's scale: 200/3 Hz a mel up to 1 kHz, then 27 mels for every factor of 6.4."""
    return np.where(mels < 15.0, 200.0 * mels / 3.0, 1000.0 * np.exp(np.log(6.4) / 27.0 * (mels - 15.0)))


def log_mel(samples: Tensor, filters: Tensor) -> Tensor:
    """Log-mel spectrogram as in Radford et al. 2022, its range limited by the clip's own maximum.

    Args:
        samples: [time] at 16 kHz, more than 200 of them.
        filters: [band, frequency].

    Returns:
        [band, frame], a frame every 10 ms; an even number of frames.
    """
    window = torch.hann_window(WINDOW, device=samples.device)
    power = torch.stft(samples, WINDOW, HOP, window=window, return_complex=True)[:, :-1].abs() ** 2
    logs = (filters @ power).clamp(min=1e-10).log10()
    logs = logs.maximum(logs.max() - CEILING)
    return ((logs + 4.0) / 4.0)[:, : logs.shape[1] // 2 * 2]
