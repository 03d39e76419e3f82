"""From the sequences of the branches to pooled parts, and from the parts to one vector."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emovoz.model.pooling import POOLINGS, Pooling
from emovoz.sequence import MaskedSequence


@dataclass(frozen=True)
class Part:
    """A pooled vector [batch, dim], and for which rows there was anything to pool: bool [batch]."""

    vector: Tensor
    present: Tensor


class Fusion(nn.Module, ABC):
    """From the sequences of the branches to pooled parts.

    Attributes:
        dims: width of each part.
    """

    dims: dict[str, int]

    @abstractmethod
    def sequences(self, branches: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """Sequences [batch, time, dim] by modality -> what is pooled, by part.

        A modality that is not named adds nothing; one without a real frame is one that the clip lacks.
        """

    @abstractmethod
    def pool_of(self, part: str) -> Pooling:
        """What pools a part."""

    def forward(self, branches: Mapping[str, MaskedSequence]) -> dict[str, Part]:
        """Sequences [batch, time, dim] by modality -> the parts."""
        return {
            name: Part(self.pool_of(name)(sequence), sequence.mask.any(1))
            for name, sequence in self.sequences(branches).items()
        }

    def in_pieces(self, pieces: Iterable[Mapping[str, MaskedSequence]]) -> dict[str, Part]:
        """The parts of one clip whose frames come piece by piece; only one piece is in memory at a time.

        Args:
            pieces: sequences [1, time, dim] of the modalities that go on in the piece; the first names all of them.
        """
        found: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {name: [] for name in self.dims}
        for branches in pieces:
            for name, sequence in self.sequences(branches).items():
                pool = self.pool_of(name)
                found[name].append((pool(sequence), pool.log_weight(sequence), sequence.mask.any(1)))
        parts = {}
        for name, of_pieces in found.items():
            vectors, weights, present = (torch.cat(values) for values in zip(*of_pieces, strict=True))
            parts[name] = Part(self.pool_of(name).merge(vectors, weights)[None], present.any()[None])
        return parts


class TimeFusion(Fusion):
    """Concatenate the branches along time, then pool once: one part. All branches need the same width.

    A clip without a modality has a learned vector as the only frame of it.
    """

    def __init__(self, dims: Mapping[str, int], pooling: str) -> None:
        super().__init__()
        (dim,) = set(dims.values())
        self.pool = POOLINGS[pooling](dim)
        self.dims = {"joint": self.pool.out_dim}
        several = len(dims) > 1
        self.absent = nn.ParameterDict({name: small_vector(dim) for name in dims} if several else {})

    def sequences(self, branches: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """All modalities, one after the other."""
        filled = [self._fill(name, sequence) for name, sequence in branches.items()]
        features = torch.cat([sequence.features for sequence in filled], dim=1)
        return {"joint": MaskedSequence(features, torch.cat([sequence.mask for sequence in filled], dim=1))}

    def pool_of(self, part: str) -> Pooling:
        """The one pooling."""
        return self.pool

    def _fill(self, name: str, sequence: MaskedSequence) -> MaskedSequence:
        if name not in self.absent:
            return sequence
        missing = ~sequence.mask.any(1)
        stand_in = torch.where(missing[:, None], self.absent[name], sequence.features.new_zeros(()))[:, None]
        features = torch.cat([stand_in, sequence.features], dim=1)
        return MaskedSequence(features, torch.cat([missing[:, None], sequence.mask], dim=1))


class PooledFusion(Fusion):
    """Pool each branch: a part a modality."""

    def __init__(self, dims: Mapping[str, int], pooling: str) -> None:
        super().__init__()
        pools: dict[str, Any] = {name: POOLINGS[pooling](dim) for name, dim in dims.items()}
        self.pools = nn.ModuleDict(pools)
        self.dims = {name: pool.out_dim for name, pool in pools.items()}

    def sequences(self, branches: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """Each modality by itself."""
        return dict(branches)

    def pool_of(self, part: str) -> Pooling:
        """That of the modality."""
        pool: Any = self.pools[part]
        return pool


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
