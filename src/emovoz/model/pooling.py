"""From a masked sequence to one vector; a row without a real frame gives a finite vector that means nothing.

Every pooling can be put together from the pieces of a long recording, of which `heard` keeps what is needed.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emovoz.model.config import HeadConfig
from emovoz.model.initial import small_random
from emovoz.sequence import MaskedSequence

ATTENTION_WIDTH = 128
"""Hidden units behind the weights of attentive statistics."""
QUANTILES = (0.1, 0.5, 0.9)
MOST_FRAMES = 4096
"""Of a recording in pieces, those that its quantiles are taken of."""


class Pooling(nn.Module, ABC):
    """Pools frames; `out_dim` is the width of what it gives."""

    out_dim: int

    @abstractmethod
    def forward(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, out_dim]."""

    @abstractmethod
    def heard(self, so_far: Any, piece: MaskedSequence) -> Any:
        """What is kept of a recording once one more piece [1, time, dim] is heard; None before the first."""

    @abstractmethod
    def of_heard(self, so_far: Any) -> Tensor:
        """The pooled vector [1, out_dim] of all that was heard."""


class MergedPooling(Pooling):
    """A pooling whose pieces are pooled by themselves and then merged.

    A `summary` holds what is pooled of the frames, in groups that are weighted by themselves (the heads of an
    attention); `log_weight` says how much each group counts beside other pieces, `merge` makes of the summaries of
    pieces that of the whole, and `finish` makes of a summary the pooled vector.
    """

    def forward(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, out_dim]."""
        return self.finish(self.summary(sequence))

    def heard(self, so_far: Any, piece: MaskedSequence) -> list[tuple[Tensor, Tensor]]:
        """Summary and log weight of every piece."""
        return [*(so_far or []), (self.summary(piece), self.log_weight(piece))]

    def of_heard(self, so_far: list[tuple[Tensor, Tensor]]) -> Tensor:
        """The pieces merged."""
        summaries, log_weights = (torch.cat(values) for values in zip(*so_far, strict=True))
        return self.finish(self.merge(summaries, log_weights)[None])

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


class WeightedPooling(MergedPooling):
    """Mean of the frames in every group of features, weighted by a softmax over time of its scores."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    @abstractmethod
    def scores(self, features: Tensor) -> Tensor:
        """[batch, time, dim] -> [batch, time, group]: the logarithm of each frame's weight, up to a constant."""

    def summary(self, sequence: MaskedSequence) -> Tensor:
        """The weighted mean of each group."""
        return _weighted(sequence.features, self.weights(sequence))

    def weights(self, sequence: MaskedSequence) -> Tensor:
        """Weight of each frame in each group [batch, time, group]; over time they sum to one."""
        return self._masked(sequence).softmax(1)

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
        weights = self.weights(sequence)
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


class MaxPooling(MergedPooling):
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


@dataclass(frozen=True)
class _Frames:
    """What is kept of frames [time, dim]: their sum [dim], every step-th of them, and how many there were."""

    total: Tensor
    kept: Tensor
    count: int
    step: int


class MeanQuantilesPooling(Pooling):
    """Mean, and 10th, 50th and 90th percentile of each feature over the real frames, between two of them by line.

    The quantiles of a whole cannot be told from those of its pieces. A recording in pieces keeps every k-th frame for
    them, counted from its start, wherever it is cut: k is the least power of two that leaves at most 4096 frames. So
    they are exact up to as many frames (82 s at 50 Hz) and of a regular sample beyond; the mean is always exact.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim, self.out_dim = dim, (1 + len(QUANTILES)) * dim

    def forward(self, sequence: MaskedSequence) -> Tensor:
        """Mean and quantiles side by side, zero where there is no frame."""
        features, mask = sequence.features, sequence.mask[..., None]
        mean = features.masked_fill(~mask, 0.0).sum(1) / mask.sum(1).clamp(min=1)
        return torch.cat([mean, *_quantiles(sequence)], dim=1)

    def heard(self, so_far: _Frames | None, piece: MaskedSequence) -> _Frames:
        """The sum of all frames, and a regular sample of them."""
        frames = piece.features[piece.mask]
        before = so_far or _Frames(frames.new_zeros(self.dim, dtype=torch.float64), frames[:0], 0, 1)
        kept, step = torch.cat([before.kept, frames[-before.count % before.step :: before.step]]), before.step
        while len(kept) > MOST_FRAMES:
            kept, step = kept[::2].clone(), 2 * step
        return _Frames(before.total + frames.double().sum(0), kept, before.count + len(frames), step)

    def of_heard(self, so_far: _Frames) -> Tensor:
        """The mean of all frames, the quantiles of those kept."""
        kept = so_far.kept[None]
        every = torch.ones(kept.shape[:2], dtype=torch.bool, device=kept.device)
        mean = (so_far.total / max(so_far.count, 1)).to(kept.dtype)
        return torch.cat([mean[None], *_quantiles(MaskedSequence(kept, every))], dim=1)


class AttentionPooling(WeightedPooling):
    """Mean of the frames, weighted by a softmax over time of their product with one trainable query.

    As in Casals-Salvador et al. 2024 (arXiv 2407.12467).
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.query = nn.Parameter(small_random(dim))

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
        self.query = nn.Parameter(small_random(dim))

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
        self.head_query = nn.Parameter(small_random(self.out_dim))

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
        self.query = nn.Parameter(small_random(ATTENTION_WIDTH))

    def scores(self, features: Tensor) -> Tensor:
        """What the network says of each frame."""
        return (self.hidden(features).tanh() @ self.query)[..., None]


_POOLINGS: dict[str, Callable[[int], Pooling]] = {
    "attention": AttentionPooling,
    "mean": MeanPooling,
    "mean_std": MeanStdPooling,
    "mean_quantiles": MeanQuantilesPooling,
    "attentive_statistics": AttentiveStatisticsPooling,
    "max": MaxPooling,
}
_MULTI_HEAD_POOLINGS = {
    "multi_head_attention": MultiHeadAttentionPooling,
    "double_multi_head_attention": DoubleMultiHeadAttentionPooling,
}


def pooling_of(config: HeadConfig, dim: int) -> Pooling:
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


def _quantiles(sequence: MaskedSequence) -> list[Tensor]:
    """Each of QUANTILES over the real frames [batch, dim], zero where there is none."""
    features, mask = sequence.features, sequence.mask
    if features.shape[1] == 0:
        return [features.new_zeros(features.shape[0], features.shape[2]) for _ in QUANTILES]
    largest = torch.finfo(features.dtype).max
    ranked = _sorted(features.masked_fill(~mask[..., None], largest).transpose(1, 2).contiguous())
    counts = mask.sum(1)

    def at(place: Tensor) -> Tensor:
        """[batch] -> the values [batch, dim] at this place of the order."""
        return ranked.gather(2, place[:, None, None].expand(-1, ranked.shape[1], 1))[..., 0]

    found = []
    for quantile in QUANTILES:
        place = quantile * (counts - 1).clamp(min=0).double()
        below = place.floor().long()
        above = place.ceil().long()
        share = (place - below).to(features.dtype)[:, None]
        between = torch.lerp(at(below), at(above), share)
        found.append(torch.where(counts[:, None] > 0, between, 0.0))
    return found


def _sorted(values: Tensor) -> Tensor:
    """Sorted along the last dimension."""
    if values.requires_grad or values.device.type != "cpu" or torch.compiler.is_compiling():
        return values.sort(-1).values
    # numpy sorts short rows ten times as fast, but is no part of an exported graph
    return torch.from_numpy(np.sort(values.numpy(), axis=-1))
