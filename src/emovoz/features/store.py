"""FeatureStore: hidden states on disk, written once, read by memory map.

A folder an encoder fingerprint; in it, immutable safetensors shards that each carry their own keys and checksum. A
tensor [time, dim] is one layer of one view of one content. There is no other index: what is there is what the shards
say, so nothing can get out of step.
"""

import logging
import os
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from emovoz.cache import cache_directory
from emovoz.progress import say

CLEAN = "clean"
"""The view of a clip as it is; an augmented copy is another view."""

logger = logging.getLogger(__name__)


def default_store() -> Path:
    """The store used when none is named."""
    return cache_directory() / "features"


def stored(layers: Tensor) -> Tensor:
    """Features [layer, time, dim] at the store's precision: float16, but for layers with values beyond its range.

    Everything a head ever sees has gone through here, in training and in prediction.

    >>> stored(torch.tensor([[[0.1]], [[1e6]]])).flatten().tolist()
    [0.0999755859375, 1000000.0]
    """
    return torch.stack([_halved(layer) for layer in layers])


def _halved(layer: Tensor) -> Tensor:
    half = layer.to(torch.float16)
    return half if bool(half.isfinite().all()) else layer.to(torch.float32)


class FeatureStore:
    """Features by encoder fingerprint, content key, view and layer.

    Args:
        root: folder of the store; made when first written to.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._indices: dict[str, dict[str, Path]] = {}
        self._open: dict[Path, safe_open] = {}
        self._damaged: dict[str, set[Path]] = {}

    def missing(self, fingerprint: str, keys: Iterable[str], layers: Sequence[int], view: str = CLEAN) -> list[str]:
        """The keys, without repetition, of which a layer is not there; damaged shards count as not there."""
        index = self._index(fingerprint)
        return [key for key in dict.fromkeys(keys) if any(_name(key, view, i) not in index for i in layers)]

    def absent_layers(self, fingerprint: str, key: str, layers: Sequence[int], view: str = CLEAN) -> list[int]:
        """Which of the layers are not there."""
        index = self._index(fingerprint)
        return [i for i in layers if _name(key, view, i) not in index]

    def read(self, fingerprint: str, key: str, layers: Sequence[int], view: str = CLEAN) -> Tensor:
        """Features [layer, time, dim] as stored.

        Raises:
            KeyError: they are not there.
        """
        index = self._index(fingerprint)
        names = [_name(key, view, i) for i in layers]
        return torch.stack([self._file(index[name]).get_tensor(name) for name in names])

    def refresh(self) -> None:
        """Look at the disk again: another process may have added shards."""
        self._indices.clear()

    @contextmanager
    def writing(self, fingerprint: str, shard_bytes: int = 32_000_000) -> Iterator["ShardWriter"]:
        """Add features under a lock that other local processes wait for.

        Shards reach the disk whole, one by one, and the last one when the block ends.

        Args:
            fingerprint: of the encoder.
            shard_bytes: a shard is written once it holds as much; all that a killed run can lose.
        """
        folder = self.root / fingerprint
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            self.refresh()
            self._discard_leftovers(fingerprint)
            writer = ShardWriter(folder, fingerprint, shard_bytes)
            try:
                yield writer
            finally:
                writer.flush()
                self.refresh()

    def _discard_leftovers(self, fingerprint: str) -> None:
        """Delete what a killed writer left and what is damaged; only the holder of the lock may."""
        self._index(fingerprint)
        for path in [*(self.root / fingerprint).glob(".shard-*"), *self._damaged.pop(fingerprint, ())]:
            path.unlink(missing_ok=True)

    def _index(self, fingerprint: str) -> dict[str, Path]:
        if fingerprint not in self._indices:
            shards = sorted((self.root / fingerprint).glob("shard-*.safetensors"))
            self._indices[fingerprint] = {name: path for path in shards for name in self._names(path, fingerprint)}
        return self._indices[fingerprint]

    def _names(self, path: Path, fingerprint: str) -> list[str]:
        """The tensors of a shard; none, and a warning, where it is damaged."""
        if path in self._open:
            return list(self._open[path].keys())
        fault = shard_fault(path, fingerprint)
        if fault:
            logger.warning("%s: %s; its clips will be encoded again", path, fault)
            self._damaged.setdefault(fingerprint, set()).add(path)
            return []
        return list(self._file(path).keys())

    def _file(self, path: Path) -> safe_open:
        if path not in self._open:
            self._open[path] = safe_open(path, framework="pt")
        return self._open[path]


class ShardWriter:
    """Gathers features and writes them as shards; made by `FeatureStore.writing`."""

    def __init__(self, folder: Path, fingerprint: str, shard_bytes: int) -> None:
        self.folder, self.fingerprint, self.shard_bytes = folder, fingerprint, shard_bytes
        self.pending: dict[str, Tensor] = {}
        self.bytes_pending = 0
        self.bytes_written = 0

    def add(self, key: str, features: Mapping[int, Tensor], view: str = CLEAN) -> None:
        """Add layers {layer: [time, dim]} of one content."""
        for layer, values in features.items():
            kept = _halved(values).cpu().contiguous()
            self.pending[_name(key, view, layer)] = kept
            self.bytes_pending += kept.nbytes
        if self.bytes_pending >= self.shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what is gathered as one shard."""
        if not self.pending:
            return
        name = f"shard-{uuid.uuid4().hex[:16]}.safetensors"
        scratch = self.folder / f".{name}"
        metadata = {"encoder": self.fingerprint, "crc32": _checksum(self.pending)}
        try:
            with scratch.open("wb") as file:
                file.write(save(self.pending, metadata=metadata))
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self.folder / name)
        finally:
            scratch.unlink(missing_ok=True)
        self.bytes_written += self.bytes_pending
        self.pending, self.bytes_pending = {}, 0


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; who has to wait for it is told so."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=1)
    except Timeout:
        say(f"waiting for another process that writes to {folder}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def shard_fault(path: Path, fingerprint: str) -> str | None:
    """What is wrong with a shard, None when it is sound."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        return f"damaged shard ({error})"
    if metadata.get("encoder") != fingerprint:
        return "a shard of another encoder"
    if metadata.get("crc32") != _checksum(tensors):
        return "damaged shard (its checksum differs)"
    return None


def _name(key: str, view: str, layer: int) -> str:
    return f"{key}.{view}.{layer}"


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    value = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        value = zlib.crc32(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().tobytes(), value)
    return f"{value:08x}"
