"""Features of several clips, padded into the tensors that a head takes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import overload

import torch
from torch import Tensor

from emovoz.features.encoder_folder import StoredTensor
from emovoz.sequence import frame_mask


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

    def at_once(self) -> "ClipFeatures":
        """The whole clip, which is not made anew however often its features are asked for."""
        return self

    def modalities(self) -> Collection[str]:
        """Those it has."""
        return self.by_modality

    def form(self, name: str) -> tuple[int, torch.dtype]:
        """How many frames a modality has that it has, and of which type."""
        values = self.by_modality[name]
        return values.shape[-2], values.dtype

    def read_into(self, name: str, out: Tensor) -> None:
        """Write a modality's features into memory [layer, time, dim], converted to its type."""
        out.copy_(self.by_modality[name])


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

    def at_once(self) -> ClipFeatures:
        """The whole recording in memory."""
        return ClipFeatures(self.by_modality)


class StoredClipFeatures(ClipFeatures):
    """Features of a clip that lie in the store: read when they are asked for, or straight into a batch.

    Args:
        there: features [layer, time, dim] of each modality.
    """

    def __init__(self, there: Mapping[str, StoredTensor | Tensor]) -> None:
        self._there = there

    @cached_property
    def by_modality(self) -> Mapping[str, Tensor]:
        """Features [layer, time, dim] of each modality it has."""
        return {name: of if isinstance(of, Tensor) else of.read() for name, of in self._there.items()}

    def modalities(self) -> Collection[str]:
        """Those it has."""
        return self._there

    def form(self, name: str) -> tuple[int, torch.dtype]:
        """How many frames a modality has that it has, and of which type."""
        return self._there[name].shape[-2], self._there[name].dtype

    def read_into(self, name: str, out: Tensor) -> None:
        """Write a modality's features into memory [layer, time, dim], converted to its type."""
        there = self._there[name]
        if isinstance(there, Tensor):
            out.copy_(there)
        else:
            there.read_into(out)


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
    """A head's inputs: for each modality features [batch, layer, time, dim] and a mask [batch, time].

    Features are float16 where those of all clips are, else float32. A clip without a modality has no true frame in its
    mask.

    Args:
        clips: the batch.
        shapes: (layers, dim) of each modality.

    >>> batch = collate([ClipFeatures({"speech": torch.ones(2, 3, 4)}), ClipFeatures({})], {"speech": (2, 4)})
    >>> batch["speech"].shape, batch["speech_mask"].tolist()
    (torch.Size([2, 2, 3, 4]), [[True, True, True], [False, False, False]])
    """
    batch = {}
    known = [clip.at_once() for clip in clips]
    for name, (layers, dim) in shapes.items():
        forms = {row: clip.form(name) for row, clip in enumerate(known) if name in clip.modalities()}
        half = bool(forms) and all(dtype == torch.float16 for _, dtype in forms.values())
        lengths = [forms[row][0] if row in forms else 0 for row in range(len(known))]
        longest = max(lengths)
        features = torch.empty(len(known), layers, longest, dim, dtype=torch.float16 if half else torch.float32)
        for row, length in enumerate(lengths):
            if length:
                known[row].read_into(name, features[row, :, :length])
            features[row, :, length:] = 0
        batch[name], batch[f"{name}_mask"] = features, frame_mask(torch.tensor(lengths), longest)
    return batch
