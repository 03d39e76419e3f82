"""From a masked sequence to one vector; a row without a real frame gives a finite vector that means nothing.

Every pooling can be put together from pieces. A `summary` holds what is pooled of the frames, in groups that are
weighted by themselves (the heads of an attention); `log_weight` says how much each group counts beside other pieces,
`merge` makes of the summaries of pieces that of the whole, and `finish` makes of a summary the pooled vector.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from emovoz.model.config import EmotionHeadConfig
from emovoz.sequence import MaskedSequence

ATTENTION_WIDTH = 128
"""Hidden units behind the weights of attentive statistics."""


class Pooling(nn.Module, ABC):
    """Pools frames; `out_dim` is the width of what it gives."""

    out_dim: int

    def forward(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, out_dim]."""
        return self.finish(self.summary(sequence))

    @abstractmethod
    def summary(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, group, width]."""

    @abstractmethod
    def log_weight(self, sequence: MaskedSequence) -> Tensor:
        """Logarithm of how much each group of a row counts beside other pieces of it [batch, group]."""

    @abstractmethod
    def merge(self, summaries: Tensor, log_weights: Tensor) -> Tensor:
        """Summaries of pieces [piece, group, width], log weights [piece, group] -> that of the whole [group, width]."""

    def finish(self, summary: Tensor) -> Tensor:
        """[batch, group, width] -> [batch, out_dim]; here the groups side by side."""
        return summary.flatten(1)


class WeightedPooling(Pooling):
    """Mean of the frames in every group of features, weighted by a softmax over time of its scores."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    @abstractmethod
    def scores(self, features: Tensor) -> Tensor:
        """[batch, time, dim] -> [batch, time, group]: the logarithm of each frame's weight, up to a constant."""

    def summary(self, sequence: MaskedSequence) -> Tensor:
        """The weighted mean of each group."""
        return _weighted(sequence.features, self._masked(sequence).softmax(1))

    def log_weight(self, sequence: MaskedSequence) -> Tensor:
        """Logarithm of the softmax's denominator."""
        return self._masked(sequence).logsumexp(1)

    def merge(self, summaries: Tensor, log_weights: Tensor) -> Tensor:
        """The mean of the means."""
        return torch.einsum("pgw,pg->gw", summaries, _shares(log_weights))

    def _masked(self, sequence: MaskedSequence) -> Tensor:
        scores = self.scores(sequence.features)
        # the lowest finite number, because a row of nothing but -inf would poison the gradient
        return scores.masked_fill(~sequence.mask[..., None], torch.finfo(scores.dtype).min)


class StatisticsPooling(WeightedPooling):
    """Weighted mean and (biased) standard deviation of the frames; a summary is mean and variance."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.out_dim = 2 * dim

    def summary(self, sequence: MaskedSequence) -> Tensor:
        """Mean and variance side by side."""
        weights = self._masked(sequence).softmax(1)
        mean = _weighted(sequence.features, weights)
        return torch.cat([mean, _weighted((sequence.features - mean) ** 2, weights)], dim=-1)

    def merge(self, summaries: Tensor, log_weights: Tensor) -> Tensor:
        """The variance of the whole is the mean of the pieces' variances and the variance of their means."""
        means, variances = summaries.chunk(2, dim=-1)
        mean = super().merge(means, log_weights)
        return torch.cat([mean, super().merge(variances + (means - mean) ** 2, log_weights)], dim=-1)

    def finish(self, summary: Tensor) -> Tensor:
        """Mean and deviation side by side."""
        mean, variance = summary.flatten(1).chunk(2, dim=-1)
        # the floor keeps the gradient finite where a feature never moves
        return torch.cat([mean, variance.clamp(min=1e-10).sqrt()], dim=-1)


class MeanPooling(WeightedPooling):
    """Mean over the real frames."""

    def scores(self, features: Tensor) -> Tensor:
        """Every frame counts the same."""
        return torch.zeros_like(features[..., :1])


class MeanStdPooling(StatisticsPooling):
    """Mean and standard deviation over the real frames (statistics pooling, Snyder et al. 2018)."""

    def scores(self, features: Tensor) -> Tensor:
        """Every frame counts the same."""
        return torch.zeros_like(features[..., :1])


class MaxPooling(Pooling):
    """The largest value of each feature over the real frames."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    def summary(self, sequence: MaskedSequence) -> Tensor:
        """The largest values, zero where there is no frame."""
        features, mask = sequence.features, sequence.mask
        if features.shape[1] == 0:
            return features.new_zeros(features.shape[0], 1, features.shape[2])
        lowest = torch.finfo(features.dtype).min
        largest = features.masked_fill(~mask[..., None], lowest).amax(1)
        return torch.where(mask.any(1)[:, None], largest, 0.0)[:, None]

    def log_weight(self, sequence: MaskedSequence) -> Tensor:
        """Nothing for a row with frames, -inf for one without."""
        return sequence.mask.any(1, keepdim=True).to(sequence.features.dtype).log()

    def merge(self, summaries: Tensor, log_weights: Tensor) -> Tensor:
        """The largest of those that have frames."""
        lowest = torch.finfo(summaries.dtype).min
        return summaries.masked_fill(log_weights.isinf()[..., None], lowest).amax(0)


class AttentionPooling(WeightedPooling):
    """Mean of the frames, weighted by a softmax over time of their product with one trainable query.

    As in Casals-Salvador et al. 2024 (arXiv 2407.12467).
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.query = nn.Parameter(torch.randn(dim) * 0.02)

    def scores(self, features: Tensor) -> Tensor:
        """The product of frame and query."""
        return (features @ self.query)[..., None]


class MultiHeadAttentionPooling(WeightedPooling):
    """Attention pooling in each of several slices of the features, with a query each (India et al. 2019).

    A head's weights are the softmax over time of the products of its slice and its query, divided by the root of its
    width; the heads' means stand side by side.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim)
        self.heads = heads
        self.query = nn.Parameter(torch.randn(dim) * 0.02)

    def scores(self, features: Tensor) -> Tensor:
        """The scaled product of slice and query, a head."""
        queries = self.query.view(self.heads, -1)
        # one product with a matrix of zeros around the queries is faster than a product a slice
        return features @ torch.block_diag(*queries).T / math.sqrt(queries.shape[1])


class DoubleMultiHeadAttentionPooling(MultiHeadAttentionPooling):
    """Multi-head attention pooling, then attention over the heads' means (India et al. 2021).

    The mean of the heads' vectors, weighted by a softmax over the heads of their products with one more query; it is
    as wide as one head.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        self.out_dim = dim // heads
        self.head_query = nn.Parameter(torch.randn(self.out_dim) * 0.02)

    def finish(self, summary: Tensor) -> Tensor:
        """[batch, head, width] -> [batch, width]."""
        return torch.einsum("bgw,bg->bw", summary, (summary @ self.head_query).softmax(1))


class AttentiveStatisticsPooling(StatisticsPooling):
    """Weighted mean and standard deviation, weights from a small network (Okabe et al. 2018).

    The score of a frame h is v . tanh(W h + b). The constant k that the paper adds cancels in the softmax.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.hidden = nn.Linear(dim, ATTENTION_WIDTH)
        self.query = nn.Parameter(torch.randn(ATTENTION_WIDTH) * 0.02)

    def scores(self, features: Tensor) -> Tensor:
        """What the network says of each frame."""
        return (self.hidden(features).tanh() @ self.query)[..., None]


_POOLINGS: dict[str, type[MaxPooling] | type[MeanPooling] | type[AttentionPooling] | type[StatisticsPooling]] = {
    "attention": AttentionPooling,
    "mean": MeanPooling,
    "mean_std": MeanStdPooling,
    "attentive_statistics": AttentiveStatisticsPooling,
    "max": MaxPooling,
}
_MULTI_HEAD_POOLINGS = {
    "multi_head_attention": MultiHeadAttentionPooling,
    "double_multi_head_attention": DoubleMultiHeadAttentionPooling,
}


def pooling_of(config: EmotionHeadConfig, dim: int) -> Pooling:
    """The pooling that the settings name, for frames of this width."""
    if config.pooling in _MULTI_HEAD_POOLINGS:
        return _MULTI_HEAD_POOLINGS[config.pooling](dim, config.pooling_heads)
    return _POOLINGS[config.pooling](dim)


def _weighted(features: Tensor, weights: Tensor) -> Tensor:
    """[batch, time, dim], [batch, time, group] -> each group's mean of its slice [batch, group, dim / groups]."""
    # one product gives each group's mean of all slices, of which it keeps its own: the frames are never copied
    every = (weights.transpose(1, 2) @ features).unflatten(2, (weights.shape[2], -1))
    return every.diagonal(dim1=1, dim2=2).transpose(1, 2)


def _shares(log_weights: Tensor) -> Tensor:
    """Shares of the pieces [piece, group]; without a frame in any of them still finite."""
    return log_weights.clamp(min=torch.finfo(log_weights.dtype).min).softmax(0)
