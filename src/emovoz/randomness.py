"""Randomness that can be had again: of a clip, in an epoch, for a purpose."""

import hashlib

import numpy as np


def clip_random(seed: int, epoch: int, clip: str, purpose: str) -> np.random.Generator:
    """A generator that these four alone decide: not other clips, not their order, not what was drawn before.

    Args:
        seed: of the training, or of the views.
        epoch: counted from 0, or the number of the view.
        clip: its id, or the key of what it holds.
        purpose: what is drawn, such as `crop`; what is drawn for one tells nothing of another.

    >>> [int(clip_random(0, epoch, "a.wav", "crop").integers(100)) for epoch in (3, 4, 3)]
    [33, 19, 33]
    """
    digest = hashlib.sha256(repr((int(seed), int(epoch), clip, purpose)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
