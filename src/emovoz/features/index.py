"""The consolidated index: what all shards of an encoder hold, in one file beside them.

It only saves the reading of every shard's header. Shards that it does not know, or knows by another size, are read;
entries whose shard is gone are dropped; where it cannot be read it is made anew. Nothing is lost when it is deleted.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load

from emovoz.features.shards import Holding, check_file, is_shard, read_holdings, write_checked

INDEX = "shards.index"
VERSION = "1"

Entry = tuple[bytes, str, tuple[int, ...]]
"""A holding whose key is hashed: (hash, view, layers)."""


@dataclass(frozen=True)
class Shard:
    """A shard file: its name, its size in bytes, and what recipes call the encoder (empty if unknown)."""

    name: str
    size: int
    model: str


def hashed(key: str) -> bytes:
    """16 bytes that stand for a content key, whatever its length."""
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def as_entries(held: Iterable[Holding]) -> list[Entry]:
    """What a shard holds, as an index says it."""
    return [(hashed(key), view, layers) for key, view, layers in held]


def _hashes(data: bytes | bytearray) -> NDArray[np.uint64]:
    return np.frombuffer(data, np.uint64).reshape(-1, 2)


@dataclass(frozen=True)
class Index:
    """What the shards of one encoder hold; 24 bytes an entry, found by binary search.

    Attributes:
        shards: the shard files.
        counts: int64 [shard], the entries of each; they stand one shard after the other.
        keys: uint64 [entry, 2], hash of the content key.
        views: int32 [entry], number of the view in view_names.
        layers: int32 [entry], number of the set of layers in layer_sets.
    """

    shards: tuple[Shard, ...]
    counts: NDArray[np.int64]
    keys: NDArray[np.uint64]
    views: NDArray[np.int32]
    layers: NDArray[np.int32]
    view_names: tuple[str, ...]
    layer_sets: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, contents: Mapping[Shard, Iterable[Entry]]) -> "Index":
        """The index of shards by what they hold."""
        views: dict[str, int] = {}
        sets: dict[tuple[int, ...], int] = {}
        keys, counts = bytearray(), []
        rows: list[tuple[int, int]] = []
        for entries in contents.values():
            before = len(rows)
            for key, view, layers in entries:
                keys += key
                rows.append((views.setdefault(view, len(views)), sets.setdefault(layers, len(sets))))
            counts.append(len(rows) - before)
        table = np.array(rows, np.int32).reshape(-1, 2)
        return cls(
            tuple(contents),
            np.array(counts, np.int64),
            _hashes(keys),
            table[:, 0],
            table[:, 1],
            tuple(views),
            tuple(sets),
        )

    def find(self, keys: Sequence[str], view: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The entries of contents in a view.

        Returns:
            two arrays [found]: position in `keys`, and number of the entry; a content in several shards comes as often.
        """
        wanted = _hashes(b"".join(map(hashed, keys)))
        first = self._sorted.searchsorted(wanted[:, 0])
        counts = self._sorted.searchsorted(wanted[:, 0], side="right") - first
        position = np.arange(len(wanted)).repeat(counts)
        within = np.arange(len(position)) - (counts.cumsum() - counts)[position]
        entry = self._order[first[position] + within]
        number = self.view_names.index(view) if view in self.view_names else -1
        same = (self.keys[entry, 1] == wanted[position, 1]) & (self.views[entry] == number)
        return position[same], entry[same]

    def holds(self, entries: NDArray[np.int64], layers: Sequence[int]) -> NDArray[np.bool_]:
        """bool [entry, layer]: which of the layers are there."""
        table = np.array([[layer in held for layer in layers] for held in self.layer_sets], bool)
        return table.reshape(len(self.layer_sets), len(layers))[self.layers[entries]]

    def present(self, keys: Sequence[str], layers: Sequence[int], view: str) -> NDArray[np.bool_]:
        """bool [key, layer]: which layers of each content are there."""
        positions, entries = self.find(keys, view)
        return presence(len(keys), positions, self.holds(entries, layers))

    def entries(self, shard: int) -> list[Entry]:
        """What the index says of one shard."""
        rows = range(self._starts[shard], self._starts[shard + 1])
        return [(self.keys[i].tobytes(), self.view_names[self.views[i]], self.layer_sets[self.layers[i]]) for i in rows]

    def only(self, keep: Sequence[bool]) -> "Index":
        """The index of some of the shards."""
        if all(keep):
            return self
        rows = np.array(keep, bool).repeat(self.counts)
        return Index(
            tuple(shard for shard, kept in zip(self.shards, keep, strict=True) if kept),
            self.counts[np.array(keep, bool)],
            self.keys[rows],
            self.views[rows],
            self.layers[rows],
            self.view_names,
            self.layer_sets,
        )

    def plus(self, other: "Index") -> "Index":
        """The index of the shards of both."""
        if not other.shards or not self.shards:
            return other if other.shards else self
        views = tuple(dict.fromkeys((*self.view_names, *other.view_names)))
        sets = tuple(dict.fromkeys((*self.layer_sets, *other.layer_sets)))
        view_numbers = np.array([views.index(view) for view in other.view_names], np.int32)
        set_numbers = np.array([sets.index(layers) for layers in other.layer_sets], np.int32)
        return Index(
            (*self.shards, *other.shards),
            np.concatenate([self.counts, other.counts]),
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.views, view_numbers[other.views]]),
            np.concatenate([self.layers, set_numbers[other.layers]]),
            views,
            sets,
        )

    @cached_property
    def shard_of(self) -> NDArray[np.int64]:
        """int64 [entry]: number of the shard."""
        return np.arange(len(self.shards)).repeat(self.counts)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *self.counts.cumsum().tolist()]

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return self.keys[:, 0].argsort(kind="stable")

    @cached_property
    def _sorted(self) -> NDArray[np.uint64]:
        return self.keys[self._order, 0]


NOTHING = Index.of({})


def presence(keys: int, positions: NDArray[np.int64], held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool [key, layer]: what is there, by entries found: the position of the key, and which layers each holds."""
    present = np.zeros((keys, held.shape[1]), bool)
    np.logical_or.at(present, positions, held)
    return present


def look(folder: Path, known: Index) -> tuple[Index, dict[str, str]]:
    """What the shards in a folder hold.

    Args:
        folder: of one encoder, named by its fingerprint; may be absent.
        known: what need not be read again, unless the size of a shard differs; nothing, to go by the shards alone.

    Returns:
        the index, `known` itself where nothing has changed; what is wrong with shards whose header cannot be used.

    Raises:
        OSError: something may not be read.
    """
    sizes = shard_sizes(folder)
    kept = known.only([sizes.get(shard.name) == shard.size for shard in known.shards])
    faults: dict[str, str] = {}
    contents: dict[Shard, list[Entry]] = {}
    for name in sorted(sizes.keys() - {shard.name for shard in kept.shards}):
        try:
            model, held = read_holdings(folder / name)
            contents[Shard(name, sizes[name], model)] = as_entries(held)
        except FileNotFoundError:
            continue
        except ValueError as error:
            faults[name] = str(error)
    return kept.plus(Index.of(contents)), faults


def shard_sizes(folder: Path) -> dict[str, int]:
    """Bytes of each shard in a folder, by name."""
    try:
        with os.scandir(folder) as files:
            return {file.name: file.stat().st_size for file in files if is_shard(file.name)}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def read_index(folder: Path) -> Index:
    """The index file of a folder; an empty index where there is none that can be used."""
    try:
        return _parsed(folder / INDEX)
    except (OSError, ValueError, KeyError, TypeError):
        return NOTHING


def _parsed(path: Path) -> Index:
    metadata = check_file(path)["__metadata__"]
    if (metadata["version"], metadata["encoder"]) != (VERSION, path.parent.name):
        raise ValueError("an index of another version or encoder")
    arrays = {name: values.numpy() for name, values in load(path.read_bytes()).items()}
    tables = json.loads(arrays["tables"].tobytes())
    index = Index(
        tuple(Shard(*row) for row in tables["shards"]),
        arrays["counts"],
        arrays["keys"].view(np.uint64),
        arrays["views"],
        arrays["layers"],
        tuple(tables["views"]),
        tuple(tuple(layers) for layers in tables["layer_sets"]),
    )
    numbered = index.views.max(initial=-1) < len(index.view_names)
    numbered = numbered and index.layers.max(initial=-1) < len(index.layer_sets)
    if not numbered or not len(index.keys) == len(index.views) == len(index.layers) == index.counts.sum():
        raise ValueError("an index whose parts do not fit together")
    return index


def write_index(folder: Path, index: Index) -> None:
    """Put an index beside its shards, or take it away where it would be empty; for the holder of the lock.

    Where there is no room for it, it stays as it was: the next reader reads the shards it does not know.
    """
    with suppress(OSError):
        if index.shards:
            write_checked(folder / INDEX, *_parts(folder, index))
        else:
            (folder / INDEX).unlink(missing_ok=True)


def _parts(folder: Path, index: Index) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of an index file."""
    tables: dict[str, Any] = {
        "shards": [(shard.name, shard.size, shard.model) for shard in index.shards],
        "views": index.view_names,
        "layer_sets": index.layer_sets,
    }
    text = np.frombuffer(json.dumps(tables).encode(), np.uint8)
    arrays: dict[str, NDArray[Any]] = {
        "tables": text,
        "counts": index.counts,
        "keys": index.keys.view(np.int64),
        "views": index.views,
        "layers": index.layers,
    }
    tensors = {name: torch.from_numpy(values.copy()) for name, values in arrays.items()}
    return tensors, {"version": VERSION, "encoder": folder.name}
