"""FeatureStore: hidden states on disk, written once.

A folder an encoder fingerprint; in it, immutable safetensors shards that each carry their own keys and checksum. A
tensor [time, dim] is one layer of one view of one content. What is there is what the shards say; the index beside
them can always be made from them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emovoz.cache import cache_directory
from emovoz.features import disk
from emovoz.features.encoder_folder import EncoderFolder, StoredTensor
from emovoz.features.shards import SHARD_FORMAT, new_shard_name, tensor_name, write_checked

CLEAN = "clean"
"""The view of a clip as it is; an augmented copy is another view."""

_SHARD_TENSORS = 20_000
"""At most so many tensors a shard: safetensors takes headers up to 100 MB."""


def default_store() -> Path:
    """The store used when none is named."""
    return cache_directory() / "features"


def stored(layers: Tensor, precision: str = "float16") -> Tensor:
    """Features [layer, time, dim] at the store's precision.

    Everything a head ever sees has gone through here, in training and in prediction.

    >>> stored(torch.tensor([[[0.1]], [[1e6]]])).flatten().tolist()
    [0.0999755859375, 1000000.0]
    """
    return torch.stack([stored_layer(layer, precision) for layer in layers])


def stored_layer(values: Tensor, precision: str = "float16") -> Tensor:
    """One layer [time, dim] at the store's precision: float16, but for values beyond its range; float32 is as it is."""
    if precision == "float32":
        return values
    half = values.to(torch.float16)
    return half if bool(half.isfinite().all()) else values.to(torch.float32)


class FeatureStore:
    """Features by encoder fingerprint, content key, view and layer.

    A shard's checksum is compared once, the first time that something in it is asked for.

    Args:
        root: folder of the store; made when first written to. One that may only be read is never touched.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._folders: dict[str, EncoderFolder] = {}

    def missing(self, fingerprint: str, keys: Iterable[str], layers: Sequence[int], view: str = CLEAN) -> list[str]:
        """The keys, without repetition, of which a layer is not there; damaged shards count as not there."""
        once = list(dict.fromkeys(keys))
        complete = self._present(fingerprint, once, layers, view).all(1)
        return [once[i] for i in np.flatnonzero(~complete)]

    def absent_layers(self, fingerprint: str, key: str, layers: Sequence[int], view: str = CLEAN) -> list[int]:
        """Which of the layers are not there."""
        (present,) = self._present(fingerprint, [key], layers, view)
        return [layer for layer, there in zip(layers, present, strict=True) if not there]

    def read(self, fingerprint: str, key: str, layers: Sequence[int], view: str = CLEAN) -> Tensor:
        """Features [layer, time, dim] as stored.

        Raises:
            KeyError: they are not there.
            InputError: they were there, and their shard is damaged or gone.
        """
        (found,) = self.find(fingerprint, [key], layers, view)
        return found.read()

    def find(
        self, fingerprint: str, keys: Sequence[str], layers: Sequence[int], view: str = CLEAN
    ) -> list[StoredTensor]:
        """Where the features of each content lie; raises as `read` does."""
        return self._folder(fingerprint).find(keys, layers, view)

    def refresh(self) -> None:
        """Look at the disk again: another process may have added shards."""
        for folder in self._folders.values():
            folder.refresh()

    @contextmanager
    def writing(
        self, fingerprint: str, *, model: str | None = None, shard_bytes: int = 32_000_000
    ) -> Iterator["ShardWriter"]:
        """Add features under a lock that other local processes wait for.

        Shards reach the disk whole, one by one, and the last one when the block ends.

        Args:
            fingerprint: of the encoder.
            model: what the recipe calls the encoder.
            shard_bytes: a shard is written once it holds as much; all that a killed run can lose.

        Raises:
            InputError: the store may only be read, or the disk is full.
        """
        with self.filling(fingerprint) as place:
            writer = ShardWriter(Path(place), shard_metadata(fingerprint, model), shard_bytes)
            try:
                yield writer
            finally:
                writer.flush()

    @contextmanager
    def filling(self, fingerprint: str) -> Iterator[str]:
        """Hold the lock while shards are added, by whomever; yields where they go.

        Raises:
            InputError: the store may only be read.
        """
        folder = self._folder(fingerprint)
        with disk.locked(folder.folder):
            folder.begin()
            try:
                yield str(folder.folder.absolute())
            finally:
                folder.finish()

    @property
    def name(self) -> str:
        """Its folder, or its URL."""
        return str(self.root)

    def free_bytes(self) -> int:
        """What is free for this user on the store's disk."""
        return disk.free_bytes(self.root)

    def described_room(self) -> str:
        """Where it is, and what is free there."""
        return f"{self.name}, {self.free_bytes() / 1e9:.1f} GB free"

    def check_room(self, needed: int) -> None:
        """Raise InputError unless so many bytes fit, leaving 200 MB free, or 5 % of a disk smaller than 4 GB."""
        disk.check_room(self.root, needed)

    def _present(self, fingerprint: str, keys: Sequence[str], layers: Sequence[int], view: str) -> NDArray[np.bool_]:
        """bool [key, layer]: what is there."""
        return self._folder(fingerprint).present(keys, layers, view)

    def _folder(self, fingerprint: str) -> EncoderFolder:
        if fingerprint not in self._folders:
            self._folders[fingerprint] = EncoderFolder(self.root / fingerprint)
        return self._folders[fingerprint]


def shard_metadata(fingerprint: str, model: str | None) -> dict[str, str]:
    """What a shard says of its encoder."""
    return {"format": SHARD_FORMAT, "encoder": fingerprint} | ({"model": model} if model else {})


class ShardWriter:
    """Gathers features and writes them as shards; made by `FeatureStore.writing`."""

    def __init__(self, folder: Path, metadata: Mapping[str, str], shard_bytes: int) -> None:
        self.folder, self.metadata, self.shard_bytes = folder, metadata, shard_bytes
        self.pending: dict[str, Tensor] = {}
        self.bytes_pending = 0
        self.bytes_written = 0

    def add(self, key: str, features: Mapping[int, Tensor], view: str = CLEAN) -> None:
        """Add layers {layer: [time, dim]} of one content, as they are; see `stored` for the precision.

        Raises:
            ValueError: the key has a dot, which ends it in the name of a tensor.
            InputError: the disk is full.
        """
        if "." in key:
            raise ValueError(f"content key {key!r}: a dot ends a key")
        for layer, values in features.items():
            # a copy: a slice would keep all that it was cut from, and safetensors refuses what shares memory
            kept = values.detach().to("cpu", copy=True).contiguous()
            self.pending[tensor_name(key, view, layer)] = kept
            self.bytes_pending += kept.nbytes
        if self.bytes_pending >= self.shard_bytes or len(self.pending) >= _SHARD_TENSORS:
            self.flush()

    def flush(self) -> None:
        """Write what is gathered as one shard.

        Raises:
            InputError: the disk is full.
        """
        tensors, size = self.pending, self.bytes_pending
        self.pending, self.bytes_pending = {}, 0
        if tensors:
            with disk.write_faults(self.folder, size):
                write_checked(self.folder / new_shard_name(), tensors, self.metadata)
            self.bytes_written += size
