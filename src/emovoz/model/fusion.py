"""From the sequences of the branches to pooled parts."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emovoz.model.config import NGRAMS, HeadConfig
from emovoz.model.initial import small_random
from emovoz.model.pooling import MeanPooling, Pooling, pooling_of
from emovoz.model.sequence_layer import MultiHeadAttention, NoLayer, SequenceLayer, sequence_layer_of
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
        relates_modalities: whether frames of a modality see those of another.
    """

    dims: dict[str, int]
    relates_modalities = False

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

        A sequence layer and cross-attention see one piece at a time. Where modalities see each other, a modality that
        does not go on in a piece is in it as it was in the last one: every piece is heard beside all the words.

        Args:
            pieces: sequences [1, time, dim] of the modalities that go on in the piece; the first names all of them.
        """
        kept: dict[str, Any] = dict.fromkeys(self.dims)
        present: dict[str, Tensor] = {}
        seen: dict[str, MaskedSequence] = {}
        for piece in pieces:
            seen = {**seen, **piece} if self.relates_modalities else dict(piece)
            for name, sequence in self.sequences(seen).items():
                kept[name] = self.pool_of(name).heard(kept[name], sequence)
                there = sequence.mask.any(1)
                present[name] = present.get(name, there) | there
        return {name: Part(self.pool_of(name).of_heard(kept[name]), there) for name, there in present.items()}


class TimeFusion(Fusion):
    """Concatenate the branches along time, then one sequence layer and one pooling: one part.

    All branches need the same width. A clip without a modality has a learned vector as the only frame of it.
    """

    def __init__(self, dims: Mapping[str, int], config: HeadConfig) -> None:
        super().__init__()
        (dim,) = set(dims.values())
        self.layer = sequence_layer_of(config, dim)
        self.pool = pooling_of(config, self.layer.out_dim)
        self.dims = {"joint": self.pool.out_dim}
        self.absent = absent_vectors(dict.fromkeys(dims, dim))
        self.relates_modalities = len(dims) > 1 and config.sequence != "none"

    def sequences(self, branches: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """All modalities, one after the other, related."""
        return {"joint": self.layer(_along_time(branches, self.absent))}

    def pool_of(self, part: str) -> Pooling:
        """The one pooling."""
        return self.pool


class TimeAfterFusion(Fusion):
    """A sequence layer a branch, then concatenate along time and pool once: one part.

    All branches need the same width. A clip without a modality has a learned vector as the only frame of it.
    """

    def __init__(self, dims: Mapping[str, int], config: HeadConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({name: sequence_layer_of(config, dim) for name, dim in dims.items()})
        (dim,) = set(_out_dims(self.layers).values())
        self.pool = pooling_of(config, dim)
        self.dims = {"joint": self.pool.out_dim}
        self.absent = absent_vectors(dict.fromkeys(dims, dim))

    def sequences(self, branches: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """Each modality related, one after the other."""
        related = {name: self.layers[name](sequence) for name, sequence in branches.items()}
        return {"joint": _along_time(related, self.absent)}

    def pool_of(self, part: str) -> Pooling:
        """The one pooling."""
        return self.pool


class PooledFusion(Fusion):
    """A sequence layer and a pooling a branch: a part a branch. N-grams are one frame, which is left as it is."""

    def __init__(self, dims: Mapping[str, int], config: HeadConfig) -> None:
        super().__init__()
        layers: dict[str, SequenceLayer] = {
            name: NoLayer(dim) if name == NGRAMS else sequence_layer_of(config, dim) for name, dim in dims.items()
        }
        self.layers = nn.ModuleDict(layers)
        pools = {
            name: MeanPooling(layer.out_dim) if name == NGRAMS else pooling_of(config, layer.out_dim)
            for name, layer in layers.items()
        }
        self.pools = nn.ModuleDict(pools)
        self.dims = {name: pool.out_dim for name, pool in pools.items()}

    def sequences(self, branches: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """Each branch by itself, related."""
        return {name: self.layers[name](sequence) for name, sequence in branches.items()}

    def pool_of(self, part: str) -> Pooling:
        """That of the branch."""
        pool: Any = self.pools[part]
        return pool


class CrossAttentionFusion(PooledFusion):
    """As PooledFusion; before pooling, each frame also attends to those of the other modality, and adds what it finds.

    All branches need the same width. A clip without the other modality keeps its frames as they are.
    """

    relates_modalities = True

    def __init__(self, dims: Mapping[str, int], config: HeadConfig) -> None:
        super().__init__(dims, config)
        heads = config.sequence_heads
        self.attentions = nn.ModuleDict(
            {name: MultiHeadAttention(dim, heads, dim // heads) for name, dim in _out_dims(self.layers).items()}
        )

    def sequences(self, branches: Mapping[str, MaskedSequence]) -> dict[str, MaskedSequence]:
        """Each modality related, and what its frames find in the other."""
        related = super().sequences(branches)
        others = {name: [related[other] for other in related if other != name] for name in related}
        return {name: self._informed(name, sequence, others[name]) for name, sequence in related.items()}

    def _informed(self, name: str, own: MaskedSequence, others: list[MaskedSequence]) -> MaskedSequence:
        features = own.features
        for other in others:
            if other.mask.shape[1] > 0:
                found = self.attentions[name](own.features, other)
                features = features + torch.where(other.mask.any(1)[:, None, None], found, 0.0)
        return MaskedSequence(features, own.mask)


_FUSIONS: dict[str, type[TimeFusion] | type[TimeAfterFusion] | type[PooledFusion]] = {
    "time": TimeFusion,
    "time_after": TimeAfterFusion,
    "cross_attention": CrossAttentionFusion,
}


def fusion_of(config: HeadConfig, dims: Mapping[str, int]) -> Fusion:
    """The fusion that the settings name, for branches of these widths; by default each branch is pooled."""
    return _FUSIONS.get(config.fusion, PooledFusion)(dims, config)


def absent_vectors(dims: Mapping[str, int]) -> nn.ParameterDict:
    """A learned vector near zero in the place of each modality that a clip may lack; none where there is but one."""
    several = len(dims) > 1
    return nn.ParameterDict({name: small_random(dim) for name, dim in dims.items()} if several else {})


def _out_dims(layers: nn.ModuleDict) -> dict[str, int]:
    of_any_type: dict[str, Any] = dict(layers.items())
    return {name: layer.out_dim for name, layer in of_any_type.items()}


def _along_time(branches: Mapping[str, MaskedSequence], absent: nn.ParameterDict) -> MaskedSequence:
    """All modalities one after the other, with the learned vector for one that a clip lacks."""
    filled = [_filled(sequence, absent[name]) if name in absent else sequence for name, sequence in branches.items()]
    features = torch.cat([sequence.features for sequence in filled], dim=1)
    return MaskedSequence(features, torch.cat([sequence.mask for sequence in filled], dim=1))


def _filled(sequence: MaskedSequence, absent: Tensor) -> MaskedSequence:
    """One more frame in front, real where there is no other."""
    missing = ~sequence.mask.any(1)
    stand_in = torch.where(missing[:, None], absent, 0.0)[:, None]
    features = torch.cat([stand_in, sequence.features], dim=1)
    return MaskedSequence(features, torch.cat([missing[:, None], sequence.mask], dim=1))
