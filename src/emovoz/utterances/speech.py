"""How likely each moment of a recording is speech, by silero-vad."""

import io

import numpy as np
import torch

from emovoz.encoders.packaged import read_checked

RATE = 16000
WINDOW = 512
"""Samples that the detector judges at a time, 32 ms."""
SHA256 = "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720"
"""Of the weights in silero-vad 6.2.3."""


class SpeechDetector:
    """Listens to one recording from its beginning on, block by block; what it heard before plays a part."""

    def __init__(self) -> None:
        # a TorchScript file is a program: it is known before it is loaded; the package's own code would set threads
        weights = read_checked([("silero-vad", "silero_vad.jit")], SHA256)
        self._model = torch.jit.load(io.BytesIO(weights), map_location="cpu").eval()
        self._rest = np.empty(0, np.float32)

    def __call__(self, samples: np.ndarray, *, last: bool = False) -> list[float]:
        """The probability of speech in each window that is whole by now.

        Args:
            samples: float32 [time] at 16 kHz, which go on from those before.
            last: nothing comes after; what is left is filled up with silence.
        """
        held = np.concatenate([self._rest, samples])
        if last and len(held) % WINDOW:
            held = np.pad(held, (0, WINDOW - len(held) % WINDOW))
        whole = len(held) // WINDOW * WINDOW
        self._rest = held[whole:]
        windows = torch.from_numpy(held[:whole].reshape(-1, WINDOW))
        with torch.inference_mode():
            return [float(self._model(window, RATE)) for window in windows]
