"""What learned vectors begin as, where no layer of torch begins them."""

import torch
from torch import Tensor


def small_random(dim: int) -> Tensor:
    """Random values [dim] of deviation 0.02.

    Where tensors have no values none are drawn: torch would import its compiler for that, which takes a second.
    """
    values = torch.empty(dim)
    return values if values.is_meta else torch.randn(dim) * 0.02
