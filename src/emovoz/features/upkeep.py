"""Keeping a feature store in order: what is in it, whether it is sound, what may go."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emovoz.errors import InputError
from emovoz.features.disk import LOCK, locked, read_faults, write_faults
from emovoz.features.index import INDEX, as_entries, look, read_index, write_index
from emovoz.features.shards import OTHER_VERSION, check_file, check_shard, is_leftover, is_shard
from emovoz.features.store import FeatureStore
from emovoz.progress import progress

_FINGERPRINT = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class EncoderFeatures:
    """What a store keeps of one encoder.

    Attributes:
        fingerprint: of the encoder.
        models: what recipes called it; empty where no shard says.
        contents: different clips or texts.
        views: how they were changed; `clean` is as they are.
        layers: hidden states of which something is kept.
        shards: files that can be read.
        unreadable: files that cannot.
        bytes: of all these files.
        last_written: seconds since 1970.
    """

    fingerprint: str
    models: tuple[str, ...]
    contents: int
    views: tuple[str, ...]
    layers: tuple[int, ...]
    shards: int
    unreadable: int
    bytes: int
    last_written: float


@dataclass(frozen=True)
class Found:
    """A file of a store and what is wrong with it."""

    path: Path
    fault: str
    bytes: int


@dataclass(frozen=True)
class Verification:
    """What was found in a store.

    Attributes:
        shards: how many were read.
        bytes: how much that was.
        seconds: time it took.
        damaged: shards and index files that are not what they say, or are of another version.
        leftovers: unfinished files of a writer that was killed, or is at work.
        strangers: files and folders that are not the store's.
    """

    shards: int
    bytes: int
    seconds: float
    damaged: tuple[Found, ...]
    leftovers: tuple[Found, ...]
    strangers: tuple[Path, ...]


@dataclass(frozen=True)
class Pruning:
    """What was deleted, or would be, and what was left because it is not the store's."""

    deleted: tuple[Found, ...]
    strangers: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        """Room made."""
        return sum(found.bytes for found in self.deleted)


def list_features(store: FeatureStore) -> list[EncoderFeatures]:
    """What a store keeps, by encoder; nothing is changed and no value is read."""
    with read_faults(store.root):
        features = [_features(folder) for folder in _encoder_folders(store)]
    return [one for one in features if one.shards or one.unreadable]


def verify(store: FeatureStore) -> Verification:
    """Read every shard and compare its checksum; nothing is changed."""
    started = time.perf_counter()
    with read_faults(store.root):
        folders = _encoder_folders(store)
        shards = [path for folder in folders for path in _files(folder, is_shard)]
        damaged = _all_damaged(folders)
    return Verification(
        shards=len(shards),
        bytes=sum(map(_size, shards)),
        seconds=time.perf_counter() - started,
        damaged=tuple(found for of_folder in damaged.values() for found in of_folder),
        leftovers=tuple(found for folder in folders for found in _leftovers(folder)),
        strangers=tuple(_strangers(store, folders)),
    )


def prune(store: FeatureStore, encoders: Sequence[str] = (), *, dry_run: bool = False) -> Pruning:
    """Delete damaged files and what killed writers left or, where encoders are named, all features of those.

    Another process that writes to a folder is waited for. Files that are not the store's stay.

    Args:
        store: the store.
        encoders: names or beginnings of fingerprints; nothing is deleted of others, nor are they verified.
        dry_run: only say what would go.

    Raises:
        InputError: a name stands for none or several of the encoders there; the store may only be read.
    """
    with read_faults(store.root):
        folders = _encoder_folders(store)
        if encoders:
            chosen = _chosen(store, encoders)
            goes = {folder: list(_everything(folder)) for folder in folders if folder.name in chosen}
        else:
            goes = {
                folder: [*(one for one in found if one.fault != OTHER_VERSION), *_leftovers(folder)]
                for folder, found in _all_damaged(folders).items()
            }
    deleted = [found for folder, of_folder in goes.items() for found in _delete(folder, of_folder, dry_run)]
    return Pruning(tuple(deleted), tuple(_strangers(store, folders)))


def _features(folder: Path) -> EncoderFeatures:
    index, faults = look(folder, read_index(folder))
    paths = list(_files(folder, is_shard))
    return EncoderFeatures(
        fingerprint=folder.name,
        models=tuple(sorted({shard.model for shard in index.shards} - {""})),
        contents=len(np.unique(index.keys[:, 0])),
        views=tuple(sorted({index.view_names[i] for i in np.unique(index.views)})),
        layers=tuple(sorted({layer for i in np.unique(index.layers) for layer in index.layer_sets[i]})),
        shards=len(index.shards),
        unreadable=len(faults),
        bytes=sum(map(_size, paths)),
        last_written=max((path.stat().st_mtime for path in paths), default=0.0),
    )


def _all_damaged(folders: Iterable[Path]) -> dict[Path, list[Found]]:
    total = sum(_size(path) for folder in folders for path in _files(folder, is_shard))
    with progress("verifying", total) as advance:
        return {folder: list(_damaged(folder, advance)) for folder in folders}


def _damaged(folder: Path, advance: Callable[[float], None]) -> Iterator[Found]:
    """Shards whose checksum differs, and an index that does not say what the shards do."""
    index = read_index(folder)
    said = {shard.name: number for number, shard in enumerate(index.shards)}
    lies = False
    for path in _files(folder, is_shard):
        size = _size(path)
        try:
            held = check_shard(path)
        except FileNotFoundError:
            continue
        except ValueError as error:
            yield Found(path, str(error), size)
        else:
            lies = lies or (path.name in said and as_entries(held) != index.entries(said[path.name]))
        advance(size)
    with suppress(FileNotFoundError):
        try:
            if check_file(folder / INDEX)["__metadata__"].get("encoder") != folder.name:
                raise ValueError("an index of another encoder")
        except ValueError as error:
            yield Found(folder / INDEX, str(error), _size(folder / INDEX))
    if lies:
        yield Found(folder / INDEX, "does not say what the shards hold", _size(folder / INDEX))


def _leftovers(folder: Path) -> Iterator[Found]:
    for path in _files(folder, is_leftover):
        yield Found(path, "unfinished file", _size(path))


def _everything(folder: Path) -> Iterator[Found]:
    for path in _files(folder, lambda name: is_shard(name) or is_leftover(name) or name == INDEX):
        yield Found(path, "features of the encoder", _size(path))


def _delete(folder: Path, found: Sequence[Found], dry_run: bool) -> Iterator[Found]:
    """Delete what is still there once nobody is writing; the folder stays, others may be waiting for its lock."""
    if dry_run or not found:
        yield from found
        return
    with locked(folder), write_faults(folder):
        for one in found:
            with suppress(FileNotFoundError):
                one.path.unlink()
                yield one
        write_index(folder, look(folder, read_index(folder))[0])


def _chosen(store: FeatureStore, names: Iterable[str]) -> set[str]:
    """Fingerprints of the encoders named."""
    there = list_features(store)
    chosen, faults = set(), []
    for name in names:
        fitting = [one for one in there if name in one.models or (name and one.fingerprint.startswith(name))]
        if len(fitting) == 1:
            chosen.add(fitting[0].fingerprint)
        else:
            known = ", ".join(f"{one.fingerprint} ({', '.join(one.models) or 'unnamed'})" for one in fitting or there)
            fault = "is several encoders" if fitting else "is no encoder of this store"
            faults.append(f"--encoder {name}: {fault}; name one of {known or 'none: it is empty'}")
    if faults:
        raise InputError(faults)
    return chosen


def _encoder_folders(store: FeatureStore) -> list[Path]:
    return [path for path in _listed(store.root) if path.is_dir() and _FINGERPRINT.fullmatch(path.name)]


def _strangers(store: FeatureStore, folders: Sequence[Path]) -> Iterator[Path]:
    """What lies in a store, or in the folders of its encoders, and is not the store's."""
    yield from (path for path in _listed(store.root) if path not in folders)
    for folder in folders:
        yield from _files(folder, lambda name: not (is_shard(name) or is_leftover(name) or name in (INDEX, LOCK)))


def _files(folder: Path, wanted: Callable[[str], bool]) -> Iterator[Path]:
    return (path for path in _listed(folder) if wanted(path.name))


def _listed(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing where there is none."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
