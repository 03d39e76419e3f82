"""From a masked sequence to one vector; a row without a real frame gives a finite vector that means nothing.

Every pooling can be put together from pieces: `log_weight` says how much a sequence counts beside others, and `merge`
makes of the vectors of pieces what the pooling of the whole would be.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from emovoz.sequence import MaskedSequence


class Pooling(nn.Module, ABC):
    """Pools frames; `out_dim` is the width of what it gives."""

    out_dim: int

    @abstractmethod
    def forward(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, out_dim]."""

    def log_weight(self, sequence: MaskedSequence) -> Tensor:
        """Logarithm of how much each row counts beside other pieces of it [batch]; here its number of frames."""
        return sequence.mask.sum(1).to(sequence.features.dtype).log()

    def merge(self, vectors: Tensor, log_weights: Tensor) -> Tensor:
        """Vectors of pieces [piece, out_dim] and their log weights [piece] -> the vector of the whole [out_dim]."""
        return log_weights.softmax(0) @ vectors


class AttentionPooling(Pooling):
    """Mean of the frames, weighted by a softmax over time of their product with one trainable query.

    As in Casals-Salvador et al. 2024 (arXiv 2407.12467).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(dim) * 0.02)
        self.out_dim = dim

    def forward(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, dim]."""
        return torch.einsum("btd,bt->bd", sequence.features, self._scores(sequence).softmax(1))

    def log_weight(self, sequence: MaskedSequence) -> Tensor:
        """Logarithm of the softmax's denominator."""
        return self._scores(sequence).logsumexp(1)

    def _scores(self, sequence: MaskedSequence) -> Tensor:
        scores = sequence.features @ self.query
        # the lowest finite number, because a row of nothing but -inf would poison the gradient
        return scores.masked_fill(~sequence.mask, torch.finfo(scores.dtype).min)


class MeanPooling(Pooling):
    """Mean over the real frames."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    def forward(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, dim]."""
        return _mean(sequence.features, sequence.mask)


class MeanStdPooling(Pooling):
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

    def merge(self, vectors: Tensor, log_weights: Tensor) -> Tensor:
        """The variance of the whole is the mean of the pieces' variances and the variance of their means."""
        means, deviations = vectors.chunk(2, dim=1)
        shares = log_weights.softmax(0)
        mean = shares @ means
        variance = shares @ (deviations**2 + (means - mean) ** 2)
        return torch.cat([mean, variance.sqrt()])


POOLINGS: dict[str, type[Pooling]] = {"attention": AttentionPooling, "mean": MeanPooling, "mean_std": MeanStdPooling}


def _mean(features: Tensor, mask: Tensor) -> Tensor:
    weights = mask.to(features.dtype)
    return torch.einsum("btd,bt->bd", features, weights) / weights.sum(1, keepdim=True).clamp(min=1)
