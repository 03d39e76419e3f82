"""Features of several clips, padded into the tensors that a head takes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import torch
from torch import Tensor

from emovoz.sequence import MaskedSequence


@dataclass(frozen=True)
class ClipFeatures:
    """What is known of one clip: [layer, time, dim] by modality; a modality it lacks is not in there."""

    by_modality: Mapping[str, Tensor]


class ClipSequence(Sequence[ClipFeatures], ABC):
    """Features of many clips, each fetched when asked for."""

    @abstractmethod
    def fetch(self, i: int) -> ClipFeatures:
        """The features of clip i."""

    @overload
    def __getitem__(self, i: int) -> ClipFeatures: ...
    @overload
    def __getitem__(self, i: slice) -> list[ClipFeatures]: ...
    def __getitem__(self, i: int | slice) -> ClipFeatures | list[ClipFeatures]:
        return [self.fetch(k) for k in range(len(self))[i]] if isinstance(i, slice) else self.fetch(i)


class Picked(ClipSequence):
    """Some of the features of a sequence, by position."""

    def __init__(self, features: Sequence[ClipFeatures], positions: Sequence[int]) -> None:
        self.features, self.positions = features, list(positions)

    def __len__(self) -> int:
        return len(self.positions)

    def fetch(self, i: int) -> ClipFeatures:
        """The features at the i-th of the positions."""
        return self.features[self.positions[i]]


def collate(clips: Sequence[ClipFeatures], shapes: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
    """A head's inputs: for each modality float32 features [batch, layer, time, dim] and a mask [batch, time].

    A clip without a modality has no true frame in its mask.

    Args:
        clips: the batch.
        shapes: (layers, dim) of each modality.

    >>> batch = collate([ClipFeatures({"speech": torch.ones(2, 3, 4)}), ClipFeatures({})], {"speech": (2, 4)})
    >>> batch["speech"].shape, batch["speech_mask"].tolist()
    (torch.Size([2, 2, 3, 4]), [[True, True, True], [False, False, False]])
    """
    batch = {}
    for name, (layers, dim) in shapes.items():
        nothing = torch.zeros(layers, 0, dim)
        padded = MaskedSequence.pad([clip.by_modality.get(name, nothing).float() for clip in clips])
        batch[name], batch[f"{name}_mask"] = padded.features, padded.mask
    return batch
