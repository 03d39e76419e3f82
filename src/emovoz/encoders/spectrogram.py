"""LogMel: a spectrogram in the place of a pretrained encoder."""

import numpy as np
import torch
from torch import Tensor

from emovoz.corpus.audio import RESAMPLER
from emovoz.encoders.fingerprint import fingerprint
from emovoz.encoders.log_mel import mel_filters
from emovoz.encoders.placement import PRECISION, compute_device
from emovoz.encoders.speech import SpeechEncoder

SAMPLE_RATE = 16000
BANDS, FFT, WINDOW, HOP = 80, 2048, 400, 160
FLOOR = 1e-10


class LogMel(SpeechEncoder):
    """Log-mel spectrogram: one layer of 80 bands, a frame every 10 ms.

    Hamming windows of 25 ms, FFT of 2048 points, Slaney scale and norm from 0 to 8 kHz, log10 of the power: the
    spectrogram of Casals-Salvador et al. 2024 (arXiv 2407.12467). Nothing in it looks beyond 64 ms, so windows of a
    long clip join without a trace.

    >>> LogMel().encode_each([np.zeros(16000, np.float32)])[0].shape
    torch.Size([1, 100, 80])
    """

    sample_rate = SAMPLE_RATE
    dim = BANDS
    layers = 1
    frame_rate = SAMPLE_RATE / HOP
    window_frames = 3000
    overlap_frames = 220
    budget_frames = 30_000

    def __init__(self) -> None:
        self.device = compute_device()
        self.filters = mel_filters(BANDS, FFT).to(self.device)
        self.fingerprint = fingerprint(
            "log-mel",
            mel=(BANDS, FFT, WINDOW, HOP, FLOOR, "hamming", "slaney"),
            resampler=RESAMPLER,
            backend="torch",
            precision=str(PRECISION),
        )

    @torch.inference_mode()
    def _encode_batch(self, waveforms: list[np.ndarray], layers: list[int]) -> list[Tensor]:
        return [self._log_mel(waveform)[[0] * len(layers)] for waveform in waveforms]

    def _log_mel(self, waveform: np.ndarray) -> Tensor:
        """[1, time, band] of one clip; frame i is centred on sample i x hop, zeros lie around the clip."""
        samples = torch.from_numpy(waveform).to(self.device)
        window = torch.hamming_window(WINDOW, device=self.device)
        spectrum = torch.stft(samples, FFT, HOP, WINDOW, window, pad_mode="constant", return_complex=True)
        power = spectrum[:, : max(1, len(waveform) // HOP)].abs() ** 2
        return (self.filters @ power).clamp(min=FLOOR).log10().T[None]
