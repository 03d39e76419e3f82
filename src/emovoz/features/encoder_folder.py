"""One encoder's folder in the feature store: which sound shard holds what."""

import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from io import FileIO
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emovoz.errors import InputError
from emovoz.features.disk import locked_if_free, read_faults, write_faults
from emovoz.features.index import NOTHING, Index, Shard, as_entries, look, presence, read_index, write_index
from emovoz.features.shards import OTHER_VERSION, Place, check_shard, fill, is_leftover, read_places, tensor_name

logger = logging.getLogger(__name__)

_GONE = "the file is gone"
_CUT = "damaged file (its size has changed)"


class EncoderFolder:
    """The shards of one encoder; each one's checksum is compared once, the first time something in it is asked for.

    Args:
        folder: named by the encoder's fingerprint; may be absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index: Index | None = None
        self._sound: set[Shard] = set()
        self._lost: dict[str, str] = {}

    def present(self, keys: Sequence[str], layers: Sequence[int], view: str) -> NDArray[np.bool_]:
        """bool [key, layer]: what is there."""
        with read_faults(self.folder):
            _, positions, _, held = self._find(keys, layers, view)
        return presence(len(keys), positions, held)

    def find(self, keys: Sequence[str], layers: Sequence[int], view: str) -> "list[StoredTensor]":
        """Where the features of each content lie.

        Raises:
            KeyError: some are not there.
            InputError: they were there, and their shard is damaged or gone.
        """
        with read_faults(self.folder):
            shards = self._shards_of(keys, layers, view)
            names = [[tensor_name(key, view, layer) for layer in layers] for key in keys]
            wanted: dict[Shard, list[str]] = {}
            for shard, name in zip(chain(*shards), chain(*names), strict=True):
                wanted.setdefault(shard, []).append(name)
            places = {name: place for shard, some in wanted.items() for name, place in self._places(shard, some)}
        return [
            StoredTensor(self, tuple(of_key), tuple(places[name] for name in named))
            for of_key, named in zip(shards, names, strict=True)
        ]

    def read_into(self, tensor: "StoredTensor", out: Tensor) -> None:
        """Read features into memory [layer, time, dim] whose frames lie one after the other.

        Raises:
            InputError: their shard is damaged or gone.
        """
        with read_faults(self.folder):
            for shard, layers in groupby(zip(tensor.shards, tensor.places, out, strict=True), key=itemgetter(0)):
                with self._opened(shard) as file:
                    for _, place, layer in layers:
                        self._read_layer(shard, file, place, layer)

    def refresh(self) -> None:
        """Look at the disk again when next asked."""
        self._index = None

    def begin(self) -> None:
        """Delete what a killed writer left and what is damaged, and ask the shards themselves what they hold.

        For the holder of the lock, like `finish`.
        """
        with write_faults(self.folder):
            self._clear_leftovers()
            for name, fault in self._lost.items():
                if fault != OTHER_VERSION:
                    (self.folder / name).unlink(missing_ok=True)
        self._lost.clear()
        with read_faults(self.folder):
            self._look(NOTHING)

    def finish(self) -> None:
        """Take note of new shards and write the index."""
        with read_faults(self.folder):
            write_index(self.folder, self._look(self._index or NOTHING))

    def _find(
        self, keys: Sequence[str], layers: Sequence[int], view: str
    ) -> tuple[Index, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """The index and, of each entry found: position in `keys`, number, which layers; all of them in sound shards."""
        while True:
            index = self._index or self._load()
            positions, entries = index.find(keys, view)
            held = index.holds(entries, layers)
            used = set(index.shard_of[entries[held.any(1)]].tolist())
            if self._are_sound(index, used):
                return index, positions, entries, held

    def _are_sound(self, index: Index, numbers: Iterable[int]) -> bool:
        """Whether these shards are what the index says; if not, the index is mended."""
        lost, lying = False, False
        for number in numbers:
            shard = index.shards[number]
            if shard in self._sound:
                continue
            try:
                held = check_shard(self.folder / shard.name)
            except FileNotFoundError:
                lost = self._lose(shard.name, _GONE)
            except ValueError as error:
                lost = self._lose(shard.name, str(error))
            else:
                self._sound.add(shard)
                lying = lying or as_entries(held) != index.entries(number)
        if lying:
            self._look(NOTHING)
        elif lost:
            self._index = self._without_lost(index)
        return not lying and not lost

    def _load(self) -> Index:
        """Look what is there, and bring the index file up to date if nobody is writing and it is allowed."""
        filed = read_index(self.folder)
        index = self._look(filed)
        if index is not filed and (index.shards or filed.shards):
            with locked_if_free(self.folder) as held:
                if held:
                    # of a kill while the index was written, with nothing left to encode
                    with suppress(OSError):
                        self._clear_leftovers()
                    write_index(self.folder, index)
        return index

    def _clear_leftovers(self) -> None:
        """Delete what killed writers left; for the holder of the lock."""
        for path in self.folder.iterdir():
            if is_leftover(path.name):
                path.unlink(missing_ok=True)

    def _look(self, known: Index) -> Index:
        index, faults = look(self.folder, known)
        for name, fault in faults.items():
            self._lose(name, fault)
        self._index = self._without_lost(index)
        return self._index

    def _without_lost(self, index: Index) -> Index:
        return index.only([shard.name not in self._lost for shard in index.shards])

    def _shards_of(self, keys: Sequence[str], layers: Sequence[int], view: str) -> list[list[Shard]]:
        """Which shard has each layer [key][layer]."""
        for again in (False, True):
            index, positions, entries, held = self._find(keys, layers, view)
            numbers = np.full((len(keys), len(layers)), -1)
            for column in range(len(layers)):
                # backwards, so that of several the first remains
                rows = np.flatnonzero(held[:, column])[::-1]
                numbers[positions[rows], column] = index.shard_of[entries[rows]]
            if (numbers >= 0).all():
                return [[index.shards[number] for number in of_key] for of_key in numbers.tolist()]
            if not again:
                # before it is told that they are not there, the shards themselves are asked
                self._look(NOTHING)
        if self._lost:
            raise InputError(map(self._told, self._lost))
        raise KeyError(f"{keys[int((numbers < 0).any(1).argmax())]}.{view}")

    def _places(self, shard: Shard, names: Sequence[str]) -> Iterable[tuple[str, Place]]:
        try:
            return zip(names, read_places(self.folder / shard.name, names), strict=True)
        except FileNotFoundError:
            self._lose(shard.name, _GONE)
        except ValueError as error:
            self._lose(shard.name, str(error))
        raise InputError(self._told(shard.name))

    def _opened(self, shard: Shard) -> FileIO:
        """A shard, opened whenever it is read: so a store of any size takes no more than one file, and no map."""
        try:
            file = FileIO(os.path.join(self.folder, shard.name))  # noqa: PTH118
        except FileNotFoundError:
            self._lose(shard.name, _GONE)
            raise InputError(self._told(shard.name)) from None
        if os.fstat(file.fileno()).st_size != shard.size:
            file.close()
            self._lose(shard.name, _CUT)
            raise InputError(self._told(shard.name))
        return file

    def _read_layer(self, shard: Shard, file: FileIO, place: Place, out: Tensor) -> None:
        values = out if place.dtype == out.dtype else torch.empty(place.shape, dtype=place.dtype)
        try:
            fill(file, place.start, values)
        except EOFError:
            self._lose(shard.name, _CUT)
            raise InputError(self._told(shard.name)) from None
        if values is not out:
            out.copy_(values)

    def _lose(self, name: str, fault: str) -> bool:
        """Take note of a shard that cannot be used; true."""
        if name not in self._lost:
            logger.warning("%s: %s; its clips will be encoded again", self.folder / name, fault)
            self._lost[name] = fault
        return True

    def _told(self, name: str) -> str:
        return (
            f"{self.folder / name}: {self._lost[name]}, so features that were there cannot be read; "
            "run the command again: the clips they belong to are encoded anew"
        )


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Features [layer, time, dim] that lie in a store, not read.

    Attributes:
        folder: whose shards they lie in.
        shards, places: of each layer.
    """

    folder: EncoderFolder
    shards: tuple[Shard, ...]
    places: tuple[Place, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(layer, time, dim)."""
        (shape,) = {place.shape for place in self.places}
        return (len(self.places), *shape)

    @property
    def dtype(self) -> torch.dtype:
        """In which each of its values can be had."""
        return reduce(torch.promote_types, {place.dtype for place in self.places})

    def read(self) -> Tensor:
        """The features, as stored; raises as `EncoderFolder.read_into` does."""
        features = torch.empty(self.shape, dtype=self.dtype)
        self.read_into(features)
        return features

    def read_into(self, out: Tensor) -> None:
        """Read them into memory, converted to its type; see `EncoderFolder.read_into`."""
        self.folder.read_into(self, out)
