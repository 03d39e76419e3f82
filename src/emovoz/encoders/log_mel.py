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
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(
        num_frequency_bins=1 + fft // 2,
        num_mel_filters=bands,
        min_frequency=0.0,
        max_frequency=SAMPLE_RATE / 2,
        sampling_rate=SAMPLE_RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(np.ascontiguousarray(filters.T)).float()


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
