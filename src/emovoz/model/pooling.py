"""From a masked sequence to one vector; a row without a real frame gives a finite vector that means nothing."""

import torch
from torch import Tensor, nn

from emovoz.sequence import MaskedSequence


class AttentionPooling(nn.Module):
    """Mean of the frames, weighted by a softmax over time of their product with one trainable query.

    As in Casals-Salvador et al. 2024 (arXiv 2407.12467).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(dim) * 0.02)
        self.out_dim = dim

    def forward(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, dim]."""
        scores = sequence.features @ self.query
        # the lowest finite number, because a row of nothing but -inf would poison the gradient
        weights = scores.masked_fill(~sequence.mask, torch.finfo(scores.dtype).min).softmax(1)
        return torch.einsum("btd,bt->bd", sequence.features, weights)


class MeanPooling(nn.Module):
    """Mean over the real frames."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    def forward(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, dim]."""
        return _mean(sequence.features, sequence.mask)


class MeanStdPooling(nn.Module):
    """Mean and (biased) standard deviation over the real frames (statistics pooling, Snyder et al. 2018)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = 2 * dim

    def forward(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, 2 x dim]."""
        mean = _mean(sequence.features, sequence.mask)
        variance = _mean((sequence.features - mean[:, None]) ** 2, sequence.mask)
        # the floor keeps the gradient finite where a feature never moves
        return torch.cat([mean, variance.clamp(min=1e-10).sqrt()], dim=1)


POOLINGS = {"attention": AttentionPooling, "mean": MeanPooling, "mean_std": MeanStdPooling}


def _mean(features: Tensor, mask: Tensor) -> Tensor:
    weights = mask.to(features.dtype)
    return torch.einsum("btd,bt->bd", features, weights) / weights.sum(1, keepdim=True).clamp(min=1)
