"""Features of several clips, padded into the tensors that a head takes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import overload

import torch
from torch import Tensor

from emovoz.sequence import MaskedSequence


class ClipFeatures:
    """What is known of one clip.

    Args:
        by_modality: features [layer, time, dim]; a modality it lacks is not in there.
    """

    def __init__(self, by_modality: Mapping[str, Tensor]) -> None:
        self._by_modality = by_modality

    @property
    def by_modality(self) -> Mapping[str, Tensor]:
        """Features [layer, time, dim] of each modality it has."""
        return self._by_modality

    def pieces(self) -> Iterator["ClipFeatures"]:
        """What has to be in memory at once, in order of time."""
        yield self


class LongClipFeatures(ClipFeatures):
    """Features of a long recording, made piece by piece whenever they are asked for.

    Args:
        make: gives the pieces in order of time, each with the modalities that go on in it.
    """

    def __init__(self, make: Callable[[], Iterator[ClipFeatures]]) -> None:
        self._make = make

    @property
    def by_modality(self) -> Mapping[str, Tensor]:
        """The whole recording, for those who need it at once."""
        parts: dict[str, list[Tensor]] = {}
        for piece in self.pieces():
            for name, values in piece.by_modality.items():
                parts.setdefault(name, []).append(values)
        return {name: torch.cat(values, dim=-2) for name, values in parts.items()}

    def pieces(self) -> Iterator[ClipFeatures]:
        """The pieces, one at a time."""
        return self._make()


class ClipSequence(Sequence[ClipFeatures], ABC):
    """Features of many clips, each fetched when asked for."""

    @abstractmethod
    def fetch(self, i: int) -> ClipFeatures:
        """The features of clip i."""

    def fetch_all(self, positions: Sequence[int]) -> list[ClipFeatures]:
        """The features of several clips."""
        return [self.fetch(i) for i in positions]

    @overload
    def __getitem__(self, i: int) -> ClipFeatures: ...
    @overload
    def __getitem__(self, i: slice) -> list[ClipFeatures]: ...
    def __getitem__(self, i: int | slice) -> ClipFeatures | list[ClipFeatures]:
        return self.fetch_all(range(len(self))[i]) if isinstance(i, slice) else self.fetch(i)


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
    # asked once: a long recording makes its features whenever they are asked for
    known = [clip.by_modality for clip in clips]
    for name, (layers, dim) in shapes.items():
        nothing = torch.zeros(layers, 0, dim)
        padded = MaskedSequence.pad([of_clip.get(name, nothing).float() for of_clip in known])
        batch[name], batch[f"{name}_mask"] = padded.features, padded.mask
    return batch
