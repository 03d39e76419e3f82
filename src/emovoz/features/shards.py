"""Shards: immutable safetensors files, written whole, that carry their own keys and checksum."""

import os
import re
import uuid
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

_SHARD = re.compile(r"shard-[0-9a-f]{16}\.safetensors")
_LEFTOVER = re.compile(r"\.shard-.+\.safetensors|\.shards\.index")

Holding = tuple[str, str, tuple[int, ...]]
"""What a shard holds of one content: its key, the view, the layers in ascending order."""


def is_shard(name: str) -> bool:
    """Whether a file of this name is a shard.

    >>> is_shard("shard-00ffee00ffee00ff.safetensors"), is_shard("model.safetensors")
    (True, False)
    """
    return _SHARD.fullmatch(name) is not None


def is_leftover(name: str) -> bool:
    """Whether a file of this name is one in the making, or what a killed writer left of it."""
    return _LEFTOVER.fullmatch(name) is not None


def new_shard_name() -> str:
    """A name no other shard has, whoever writes it and wherever."""
    return f"shard-{uuid.uuid4().hex[:16]}.safetensors"


def tensor_name(key: str, view: str, layer: int) -> str:
    """What the tensor of a layer is called in its shard."""
    return f"{key}.{view}.{layer}"


def holdings(names: Iterable[str]) -> list[Holding]:
    """What tensors of these names hold, in order of key and view.

    >>> holdings(["k.clean.4", "k.clean.2", "k.speed1.1.2"])
    [('k', 'clean', (2, 4)), ('k', 'speed1.1', (2,))]
    """
    layers: dict[tuple[str, str], list[int]] = {}
    for name in names:
        entry, layer = name.rsplit(".", 1)
        key, view = entry.split(".", 1)
        layers.setdefault((key, view), []).append(int(layer))
    return [(key, view, tuple(sorted(layers[key, view]))) for key, view in sorted(layers)]


def write_checked(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and their checksum under a temporary name, then rename the file into place."""
    scratch = path.with_name(f".{path.name}")
    try:
        with scratch.open("wb") as file:
            file.write(save(dict(tensors), metadata={**metadata, "crc32": checksum(tensors)}))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def open_checked(path: Path) -> safe_open:
    """A file of tensors, by memory map.

    Raises:
        OSError: it is gone, or may not be read.
        SafetensorError: it is damaged.
    """
    # safetensors reports whatever keeps it from opening a file as the file's absence, too many open files included
    path.open("rb").close()
    return safe_open(path, framework="pt")


def read_holdings(path: Path) -> tuple[str, list[Holding]]:
    """What recipes call the encoder of a shard (empty if unknown), and what the shard holds; its values stay unread.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or of another encoder than its folder.
    """
    try:
        with open_checked(path) as file:
            metadata, names = file.metadata() or {}, list(file.keys())
    except SafetensorError as error:
        raise ValueError(f"damaged file ({error})") from error
    if metadata.get("encoder") != path.parent.name:
        raise ValueError("a shard of another encoder")
    return metadata.get("model", ""), holdings(names)


def check_shard(path: Path) -> list[Holding]:
    """What a shard holds, its checksum compared; raises as `read_holdings` does."""
    _, held = read_holdings(path)
    read_checked(path)
    return held


def read_checked(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a file, its checksum compared.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    try:
        with open_checked(path) as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"damaged file ({error})") from error
    if metadata.get("crc32") != checksum(tensors):
        raise ValueError("damaged file (its checksum differs)")
    return tensors, metadata


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 of names, types, shapes and values."""
    value = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        value = zlib.crc32(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode(), value)
        values: NDArray[np.uint8] = tensor.reshape(-1).view(torch.uint8).numpy()
        value = zlib.crc32(values.data, value)
    return f"{value:08x}"
