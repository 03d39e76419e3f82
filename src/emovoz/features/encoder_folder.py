"""One encoder's folder in the feature store: which sound shard holds what."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from emovoz.errors import InputError
from emovoz.features.disk import locked_if_free, read_faults, write_faults
from emovoz.features.index import NOTHING, Index, Shard, as_entries, look, read_index, write_index
from emovoz.features.shards import check_shard, is_leftover, open_tensors, tensor_name

logger = logging.getLogger(__name__)


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
        self._open: dict[Shard, safe_open] = {}

    def present(self, keys: Sequence[str], layers: Sequence[int], view: str) -> NDArray[np.bool_]:
        """bool [key, layer]: what is there."""
        with read_faults(self.folder):
            _, positions, _, held = self._find(keys, layers, view)
        present = np.zeros((len(keys), len(layers)), bool)
        for column in range(len(layers)):
            present[positions[held[:, column]], column] = True
        return present

    def read(self, key: str, layers: Sequence[int], view: str) -> Tensor:
        """Features [layer, time, dim] of one content.

        Raises:
            KeyError: they are not there.
            InputError: they were there, and their shard is damaged or gone.
        """
        with read_faults(self.folder):
            index, _, entries, held = self._find([key], layers, view)
            if not held.any(0).all():
                # before it is told that they are not there, the shards themselves are asked
                self._look(NOTHING)
                index, _, entries, held = self._find([key], layers, view)
            if not held.any(0).all():
                raise InputError(map(self._told, self._lost)) if self._lost else KeyError(f"{key}.{view}")
            shards = [index.shards[index.shard_of[entry]] for entry in entries[held.argmax(0)]]
            names = [tensor_name(key, view, layer) for layer in layers]
            files = {shard: self._file(shard) for shard in set(shards)}
            return torch.stack([files[shard].get_tensor(name) for shard, name in zip(shards, names, strict=True)])

    def refresh(self) -> None:
        """Look at the disk again when next asked."""
        self._index = None

    def begin(self) -> None:
        """Delete what a killed writer left and what is damaged, and ask the shards themselves what they hold.

        For the holder of the lock, like `finish`.
        """
        with write_faults(self.folder):
            leftovers = [path.name for path in self.folder.iterdir() if is_leftover(path.name)]
            for name in [*leftovers, *self._lost]:
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
                lost = self._lose(shard.name, "the file is gone")
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
                    write_index(self.folder, index)
        return index

    def _look(self, known: Index) -> Index:
        index, faults = look(self.folder, known)
        for name, fault in faults.items():
            self._lose(name, fault)
        self._index = self._without_lost(index)
        return self._index

    def _without_lost(self, index: Index) -> Index:
        return index.only([shard.name not in self._lost for shard in index.shards])

    def _file(self, shard: Shard) -> safe_open:
        path = self.folder / shard.name
        try:
            # reading a mapped file that was cut short would end the process
            if path.stat().st_size == shard.size:
                if shard not in self._open:
                    self._open[shard] = open_tensors(path)
                return self._open[shard]
            self._lose(shard.name, "damaged file (its size has changed)")
        except FileNotFoundError:
            self._lose(shard.name, "the file is gone")
        except SafetensorError as error:
            self._lose(shard.name, f"damaged file ({error})")
        raise InputError(self._told(shard.name))

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
