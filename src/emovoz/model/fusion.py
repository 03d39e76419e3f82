"""From the sequences of the branches to pooled parts, and from the parts to one vector."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emovoz.model.pooling import POOLINGS
from emovoz.sequence import MaskedSequence


@dataclass(frozen=True)
class Part:
    """A pooled vector [batch, dim], and for which rows there was anything to pool: bool [batch]."""

    vector: Tensor
    present: Tensor


class TimeFusion(nn.Module):
    """Concatenate the branches along time, then pool once: one part. All branches need the same width.

    A clip without a modality has a learned vector as the only frame of it.
    """

    def __init__(self, dims: Mapping[str, int], pooling: str) -> None:
        super().__init__()
        (dim,) = set(dims.values())
        pool: Any = POOLINGS[pooling](dim)
        self.pool = pool
        self.dims: dict[str, int] = {"joint": pool.out_dim}
        several = len(dims) > 1
        self.absent = nn.ParameterDict({name: small_vector(dim) for name in dims} if several else {})

    def forward(self, sequences: Mapping[str, MaskedSequence]) -> dict[str, Part]:
        """Sequences [batch, time, dim] by modality -> the joint part."""
        filled = [self._fill(name, sequence) for name, sequence in sequences.items()]
        features = torch.cat([sequence.features for sequence in filled], dim=1)
        mask = torch.cat([sequence.mask for sequence in filled], dim=1)
        return {"joint": Part(self.pool(MaskedSequence(features, mask)), mask.any(1))}

    def _fill(self, name: str, sequence: MaskedSequence) -> MaskedSequence:
        if name not in self.absent:
            return sequence
        missing = ~sequence.mask.any(1)
        stand_in = torch.where(missing[:, None], self.absent[name], sequence.features.new_zeros(()))[:, None]
        features = torch.cat([stand_in, sequence.features], dim=1)
        return MaskedSequence(features, torch.cat([missing[:, None], sequence.mask], dim=1))


class PooledFusion(nn.Module):
    """Pool each branch: a part a modality."""

    def __init__(self, dims: Mapping[str, int], pooling: str) -> None:
        super().__init__()
        pools: dict[str, Any] = {name: POOLINGS[pooling](dim) for name, dim in dims.items()}
        self.pools = nn.ModuleDict(pools)
        self.dims: dict[str, int] = {name: pool.out_dim for name, pool in pools.items()}

    def forward(self, sequences: Mapping[str, MaskedSequence]) -> dict[str, Part]:
        """Sequences [batch, time, dim] by modality -> their parts."""
        return {name: Part(pool(sequences[name]), sequences[name].mask.any(1)) for name, pool in self.pools.items()}


FUSIONS: dict[str, type[TimeFusion] | type[PooledFusion]] = {"time": TimeFusion, "pooled": PooledFusion}


class Join(nn.Module):
    """Parts -> one vector [batch, out_dim]: scaled, a learned vector in the place of an absent part, side by side.

    Args:
        dims: width of each part.
        standardise: scale every value by mean and deviation over the training clips (see `fit`).
    """

    def __init__(self, dims: Mapping[str, int], *, standardise: bool) -> None:
        super().__init__()
        scale = Standardise if standardise else nn.Identity
        self.scale = nn.ModuleDict({name: scale(dim) for name, dim in dims.items()})
        several = len(dims) > 1
        self.absent = nn.ParameterDict({name: small_vector(dim) for name, dim in dims.items()} if several else {})
        self.out_dim = sum(dims.values())

    def forward(self, parts: Mapping[str, Part]) -> Tensor:
        """[batch, dim] of each part -> [batch, sum of dims]."""
        return torch.cat([self._one(name, parts[name]) for name in self.scale], dim=1)

    def _one(self, name: str, part: Part) -> Tensor:
        scaled = self.scale[name](part.vector)
        return torch.where(part.present[:, None], scaled, self.absent[name]) if name in self.absent else scaled


class Standardise(nn.Module):
    """Zero mean and unit deviation, as measured once over the training clips; a constant value becomes zero."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))
        self.mean: Tensor
        self.deviation: Tensor

    @torch.no_grad()
    def fit(self, vectors: Tensor) -> None:
        """Measure vectors [clips, dim]."""
        deviation = vectors.double().std(0, correction=0)
        self.mean.copy_(vectors.double().mean(0))
        self.deviation.copy_(torch.where(deviation > 1e-7, deviation, 1.0))

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, dim] -> [batch, dim]."""
        return (vectors - self.mean) / self.deviation


def small_vector(dim: int) -> nn.Parameter:
    """A trainable vector near zero."""
    return nn.Parameter(torch.randn(dim) * 0.02)
