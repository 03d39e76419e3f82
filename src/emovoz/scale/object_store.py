"""A feature store at a URL: what many machines fill, and the local copy that training reads.

Objects are written whole, named by what they hold, and never changed. Nobody can lock them: two runs at a time may
encode a clip twice. What is fetched is used only where its checksum is right.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emovoz.cache import cache_directory
from emovoz.errors import InputError
from emovoz.features.disk import check_room, locked
from emovoz.features.encoder_folder import EncoderFolder
from emovoz.features.index import Index, Shard, as_entries
from emovoz.features.shards import check_shard, header_bytes, holdings_of, is_shard
from emovoz.features.store import FeatureStore
from emovoz.progress import progress, say
from emovoz.remote import AT_ONCE, RemoteFile, fetch, joined, listing, read

_HEADER_GUESS = 65_536
"""Bytes that hold the header of most shards."""


class ObjectStore(FeatureStore):
    """What a store at a URL holds, by the headers of its shards; their values stay where they are.

    Args:
        url: of the store.
    """

    def __init__(self, url: str) -> None:
        super().__init__(copy_of(url))
        self.url = url.rstrip("/")
        self._indices: dict[str, Index] = {}

    @property
    def name(self) -> str:
        """Its URL."""
        return self.url

    def described_room(self) -> str:
        """Where it is; what is free there, nobody can tell."""
        return self.url

    def check_room(self, needed: int) -> None:
        """Whatever fits on an object store."""

    @contextmanager
    def filling(self, fingerprint: str) -> Iterator[str]:
        """Where shards of an encoder go; nobody can lock it."""
        yield joined(self.url, fingerprint)
        self.refresh()

    def refresh(self) -> None:
        """Ask again what is there."""
        self._indices.clear()

    def _present(self, fingerprint: str, keys: Sequence[str], layers: Sequence[int], view: str) -> NDArray[np.bool_]:
        """bool [key, layer]: what is there; shards with damaged headers count as absent."""
        return self._index(fingerprint).present(keys, layers, view)

    def _index(self, fingerprint: str) -> Index:
        if fingerprint not in self._indices:
            self._indices[fingerprint] = _index_at(joined(self.url, fingerprint), fingerprint)
        return self._indices[fingerprint]


class MirroredStore(FeatureStore):
    """A local copy of a store at a URL, in the user's cache; of each encoder asked for, what is missing is fetched.

    Features that are added go to the copy alone.

    Args:
        url: of the store.
    """

    def __init__(self, url: str) -> None:
        super().__init__(copy_of(url))
        self.url = url.rstrip("/")
        say(f"{self.url}: read by way of its copy in {self.root}; features made here stay there")

    def _folder(self, fingerprint: str) -> EncoderFolder:
        if fingerprint not in self._folders:
            pull(joined(self.url, fingerprint), self.root / fingerprint)
        return super()._folder(fingerprint)


def copy_of(url: str) -> Path:
    """Where the local copy of a store lies."""
    return cache_directory() / "stores" / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]


def pull(url: str, folder: Path) -> None:
    """Fetch the shards of an encoder that a folder lacks; those that are damaged are named, and left where they are.

    Raises:
        InputError: the store cannot be read, or there is no room for it here.
    """
    there = {name: file for name, file in listing(url).items() if is_shard(name)}
    lacking = [(file, folder / name) for name, file in there.items() if not (folder / name).is_file()]

    def bring(file: RemoteFile, target: Path) -> None:
        # not under the name of a shard before it has been checked
        arrived = target.with_name(f".{target.name}")
        try:
            fetch(file.url, arrived)
            check_shard(arrived)
            arrived.replace(target)
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            say(
                f"{file.url}: {error}; it is left out, and its clips are encoded anew. Delete it, and "
                "extract --engine ray puts there again what it held"
            )
        finally:
            arrived.unlink(missing_ok=True)

    if not lacking:
        return
    check_room(folder, sum(file.size for file, _ in lacking))
    with locked(folder), progress(f"fetching {url}", len(lacking)) as advance, ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda one: bring(*one), lacking):
            advance(1)


def _index_at(url: str, fingerprint: str) -> Index:
    """What the shards of an encoder at a URL hold."""
    names = {name: file for name, file in listing(url).items() if is_shard(name)}

    def entry(name: str, file: RemoteFile) -> tuple[Shard, list[tuple[bytes, str, tuple[int, ...]]]] | None:
        begin = read(file.url, 0, min(file.size, _HEADER_GUESS)) if file.size else b""
        needed = header_bytes(begin)
        if len(begin) < needed <= file.size:
            begin += read(file.url, len(begin), needed)
        try:
            model, held = holdings_of(begin, file.size, fingerprint)
        except ValueError as error:
            say(f"{file.url}: {error}; its clips are encoded anew. Delete it")
            return None
        return Shard(name, file.size, model), as_entries(held)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(entry, names, names.values()))
    return Index.of(dict(one for one in found if one))
