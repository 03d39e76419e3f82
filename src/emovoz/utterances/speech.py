"""How likely each moment of a recording is speech, by silero-vad."""

import numpy as np
import torch

RATE = 16000
WINDOW = 512
"""Samples that the detector judges at a time, 32 ms."""


class SpeechDetector:
    """Listens to one recording from its beginning on, block by block; what it heard before plays a part."""

    def __init__(self) -> None:
        threads = torch.get_num_threads()
        # the package's import leaves one thread to all of torch
        from silero_vad import load_silero_vad  # type: ignore[import-untyped]

        torch.set_num_threads(threads)
        self._model = load_silero_vad()
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
