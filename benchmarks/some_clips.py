"""Clips that encoders are timed on."""

import numpy as np
from record import real_audio

from emovoz.corpus import load_audio


def some_clips(count: int) -> list[np.ndarray]:
    """So many clips, float32 at 16 kHz, evenly from all speakers; of a small corpus some come again."""
    paths = real_audio()
    return [load_audio(paths[i * len(paths) // count % len(paths)], 16000) for i in range(count)]
