"""From the pooled parts to the one vector that the classifier sees."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from emovoz.model.config import NGRAMS, HeadConfig
from emovoz.model.fusion import Part, absent_vectors
from emovoz.model.initial import small_random


class Join(nn.Module, ABC):
    """Parts -> one vector [batch, out_dim].

    Args:
        dims: width of each part.
        standardise: scale every value by mean and deviation over the training clips (see `Standardise`).
        ngrams_weight: of the part that is made of n-grams (see `TfIdf`).
    """

    out_dim: int

    def __init__(self, dims: Mapping[str, int], *, standardise: bool, ngrams_weight: float = 1.0) -> None:
        super().__init__()
        scale = Standardise if standardise else nn.Identity
        self.scale = nn.ModuleDict(
            {name: TfIdf(dim, ngrams_weight) if name == NGRAMS else scale(dim) for name, dim in dims.items()}
        )

    @property
    def measured(self) -> "dict[str, Standardise | TfIdf]":
        """What has to be measured over the training clips, by part."""
        return {name: scale for name, scale in self.scale.items() if isinstance(scale, Standardise | TfIdf)}

    def forward(self, parts: Mapping[str, Part]) -> Tensor:
        """[batch, dim] of each part -> [batch, out_dim]."""
        present = {name: parts[name].present for name in self.scale}
        vectors = {
            name: torch.where(present[name][:, None], scale(parts[name].vector), 0.0)
            for name, scale in self.scale.items()
        }
        return self.joined(vectors, present)

    @abstractmethod
    def joined(self, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Scaled vectors [batch, dim] of the parts, zero where not present (bool [batch]) -> [batch, out_dim]."""


class SideBySide(Join):
    """The parts one after the other, a learned vector in the place of an absent one; of n-grams the average one."""

    def __init__(self, dims: Mapping[str, int], *, standardise: bool, ngrams_weight: float = 1.0) -> None:
        super().__init__(dims, standardise=standardise, ngrams_weight=ngrams_weight)
        self.absent = absent_vectors(dims)
        if NGRAMS in self.absent:
            del self.absent[NGRAMS]
        self.out_dim = sum(dims.values())

    def joined(self, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """[batch, dim] of each part -> [batch, sum of dims]."""
        return torch.cat(
            [
                torch.where(present[name][:, None], vector, self.absent[name]) if name in self.absent else vector
                for name, vector in vectors.items()
            ],
            dim=1,
        )


class AttentionJoin(Join):
    """Mean of the parts, weighted by a softmax over them of their product with one trainable query.

    As in Casals-Salvador et al. 2024 (arXiv 2407.12467). Parts of unlike widths are projected to the largest. An
    absent part has no weight; where all are absent, the vector is zero.
    """

    def __init__(self, dims: Mapping[str, int], *, standardise: bool) -> None:
        super().__init__(dims, standardise=standardise)
        self.out_dim = max(dims.values())
        self.project = nn.ModuleDict(
            {name: nn.Linear(dim, self.out_dim) for name, dim in dims.items() if dim != self.out_dim}
        )
        self.query = nn.Parameter(small_random(self.out_dim))

    def joined(self, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """[batch, dim] of each part -> [batch, largest dim]."""
        there = torch.stack([present[name] for name in vectors], dim=1)
        projected = [self.project[name](x) if name in self.project else x for name, x in vectors.items()]
        stacked = torch.where(there[..., None], torch.stack(projected, dim=1), 0.0)
        scores = (stacked @ self.query).masked_fill(~there, torch.finfo(stacked.dtype).min)
        return torch.einsum("bpd,bp->bd", stacked, scores.softmax(1))


class GatedJoin(Join):
    """The gated multimodal unit (Arevalo et al. 2017): z tanh(U a) + (1 - z) tanh(V b), z = sigmoid(W [a, b]).

    Where one part is absent the gate is closed to it, and all comes from the other.

    Args:
        width: units.
    """

    def __init__(self, dims: Mapping[str, int], *, standardise: bool, width: int) -> None:
        super().__init__(dims, standardise=standardise)
        self.values = nn.ModuleDict({name: nn.Linear(dim, width, bias=False) for name, dim in dims.items()})
        self.gate = nn.Linear(sum(dims.values()), width, bias=False)
        self.out_dim = width

    def joined(self, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """[batch, dim] of each of two parts -> [batch, width]."""
        first, second = vectors
        gate = self.gate(torch.cat([*vectors.values()], dim=1)).sigmoid()
        gate = gate.masked_fill(~present[first][:, None], 0.0).masked_fill(~present[second][:, None], 1.0)
        values = {name: self.values[name](vector).tanh() for name, vector in vectors.items()}
        return gate * values[first] + (1 - gate) * values[second]


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


class TfIdf(nn.Module):
    """Term frequencies times inverse document frequencies, measured once over the training clips, at one length.

    A term of n clips that is in d of them has ln((1 + n) / (1 + d)) + 1, as in scikit-learn. From every vector the
    mean of the training clips is taken, so that zeros, which stand for an absent one, are the average one.

    Args:
        dim: terms.
        weight: Euclidean length that every vector is brought to, before the mean is taken.
    """

    def __init__(self, dim: int, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.register_buffer("idf", torch.ones(dim))
        self.register_buffer("mean", torch.zeros(dim))
        self.idf: Tensor
        self.mean: Tensor

    @torch.no_grad()
    def fit(self, vectors: Tensor) -> None:
        """Measure term frequencies [clips, dim]."""
        found = (vectors > 0).sum(0).double()
        self.idf.copy_(torch.log((1 + len(vectors)) / (1 + found)) + 1)
        self.mean.copy_(self.weighed(vectors).mean(0, dtype=torch.float64))

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, dim] -> [batch, dim]."""
        return self.weighed(vectors) - self.mean

    def weighed(self, vectors: Tensor) -> Tensor:
        """[batch, dim] -> [batch, dim], before the mean is taken."""
        return self.weight * normalize(vectors * self.idf, dim=1)


def join_of(config: HeadConfig, dims: Mapping[str, int]) -> Join:
    """The join that the settings name, for parts of these widths; by default they stand side by side."""
    if config.fusion == "pooled_attention":
        return AttentionJoin(dims, standardise=config.standardise)
    if config.fusion == "gated":
        return GatedJoin(dims, standardise=config.standardise, width=config.hidden_width)
    return SideBySide(dims, standardise=config.standardise, ngrams_weight=config.ngrams_weight)
