"""SpecAugment on features: stretches of time and bands of values are hidden (Park et al. 2019)."""

import numpy as np
from torch import Tensor

from emovoz.settings import SpecAugment


def spec_augment(speech: Tensor, settings: SpecAugment, random: np.random.Generator) -> Tensor:
    """Hide random stretches and bands, the same in every layer.

    A hidden stretch shows the mean frame of its layer, a hidden band the mean of all the values of its layer: what
    the zeros of the paper are to its spectrograms, whose mean is zero. Lengths and widths are drawn evenly from 0 to
    their share, rounded down; so of a clip of one frame no time is hidden.

    Args:
        speech: features [layer, time, dim] of one clip; they stay as they are.
        settings: how many, and how large at most.
        random: decides which.

    Returns:
        features [layer, time, dim].
    """
    frames, dim = speech.shape[-2:]
    hidden = speech.clone()
    mean_frame = speech.float().mean(-2, keepdim=True).to(speech.dtype)
    mean = speech.float().mean((-2, -1), keepdim=True).to(speech.dtype)
    for _ in range(settings.time_masks):
        start, end = _stretch(frames, settings.time_share, random)
        hidden[..., start:end, :] = mean_frame
    for _ in range(settings.band_masks):
        start, end = _stretch(dim, settings.band_share, random)
        hidden[..., start:end] = mean
    return hidden


def _stretch(whole: int, share: float, random: np.random.Generator) -> tuple[int, int]:
    length = int(random.integers(int(share * whole) + 1))
    start = int(random.integers(whole - length + 1))
    return start, start + length
