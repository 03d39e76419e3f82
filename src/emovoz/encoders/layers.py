"""What the layers of several families of encoders have in common."""

import torch
from torch import nn


def table(rows: int, width: int) -> nn.Embedding:
    """An embedding [rows, width] whose weights are to be loaded.

    No random values are drawn: for tensors without values torch would import its compiler for that, for a second.
    """
    return nn.Embedding.from_pretrained(torch.empty(rows, width))


def width_of_heads(width: int, heads: int) -> int:
    """What each head has of a width; ValueError where heads do not divide it."""
    if heads < 1 or width % heads:
        raise ValueError(f"{heads} heads do not divide a width of {width}")
    return width // heads
