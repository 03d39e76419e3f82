"""Shards: immutable safetensors files, written whole, that carry their own keys and checksum."""

import hashlib
import json
import os
import re
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, FileIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

_SHARD = re.compile(r"shard-[0-9a-f]{16}\.safetensors")
_LEFTOVER = re.compile(r"(\.shard-.+\.safetensors|\.shards\.index)(-[0-9a-f]{8})?")

SHARD_FORMAT = "1"
"""Of what this version writes; shards from before it was noted have the same."""
OTHER_VERSION = "written by another version of emovoz, so it is left alone"
"""The fault of a shard of another format: this version neither reads nor deletes it."""

_METADATA = "__metadata__"
_DTYPES = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "U8": torch.uint8,
    "I32": torch.int32,
    "I64": torch.int64,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its shard a tensor lies: byte at which it begins, type and shape."""

    start: int
    dtype: torch.dtype
    shape: tuple[int, ...]


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


def shard_name_for(names: Iterable[str]) -> str:
    """The name of a shard that holds tensors of these names, the same whoever makes it, and however often.

    >>> shard_name_for(["k.clean.2", "k.clean.4"]) == shard_name_for(["k.clean.4", "k.clean.2"])
    True
    """
    return f"shard-{hashlib.sha256(' '.join(sorted(names)).encode()).hexdigest()[:16]}.safetensors"


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
    # a name of its own: of a shard that two processes are told to make, none writes into that of the other
    scratch = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        with scratch.open("wb") as file:
            file.write(packed(tensors, metadata))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def packed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A file of tensors and their checksum."""
    return save(dict(tensors), metadata={**metadata, "crc32": checksum(tensors, metadata)})


def read_places(path: Path, names: Iterable[str]) -> list[Place]:
    """Where in a file of tensors those of these names lie; raises as `read_holdings` does."""
    with path.open("rb") as file:
        header, start = _header(file, os.fstat(file.fileno()).st_size)
    try:
        entries = [header[name] for name in names]
        return [
            Place(start + entry["data_offsets"][0], _DTYPES[entry["dtype"]], tuple(entry["shape"])) for entry in entries
        ]
    except KeyError as error:
        raise ValueError("damaged file (it lacks what it held)") from error


def fill(file: FileIO, start: int, values: Tensor) -> None:
    """Read the bytes of a tensor from an open file into its memory.

    Args:
        file: a shard.
        start: byte at which they begin.
        values: contiguous.

    Raises:
        EOFError: the file ends before.
    """
    raw: NDArray[np.uint8] = values.flatten().view(torch.uint8).numpy()
    left = raw.data
    file.seek(start)
    while left:
        count = file.readinto(left)
        if not count:
            raise EOFError
        left = left[count:]


def read_holdings(path: Path) -> tuple[str, list[Holding]]:
    """What recipes call the encoder of a shard (empty if unknown), and what the shard holds; its values stay unread.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or of another encoder than its folder.
    """
    with path.open("rb") as file:
        header, _ = _header(file, os.fstat(file.fileno()).st_size)
    return _holdings(path.parent.name, header)


def holdings_of(begin: bytes, size: int, encoder: str) -> tuple[str, list[Holding]]:
    """The same of a shard of which the header is read, and its size is known.

    Args:
        begin: of the file, at least its header.
        size: of the file, bytes.
        encoder: whose folder it lies in.

    Raises:
        ValueError: as in `read_holdings`.
    """
    return _holdings(encoder, _header(BytesIO(begin), size)[0])


def header_bytes(begin: bytes) -> int:
    """How many bytes of a shard its header takes, by its first eight."""
    return 8 + int.from_bytes(begin[:8], "little")


def check_shard(path: Path) -> list[Holding]:
    """What a shard holds, its checksum compared; raises as `read_holdings` does."""
    return _holdings(path.parent.name, check_file(path))[1]


def check_file(path: Path) -> dict[str, Any]:
    """The header of a file of tensors whose values have been read and agree with its checksum.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    with path.open("rb") as file:
        header, start = _header(file, os.fstat(file.fileno()).st_size)
        _check_format(header)
        # tensor by tensor through safetensors, this would take ten times as long where they are small
        with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped, memoryview(mapped)[start:] as data:
            if header[_METADATA].get("crc32") != _checksum_of(header, data):
                raise ValueError("damaged file (its checksum differs)")
    return header


def _checksum_of(header: Mapping[str, Any], data: memoryview) -> str | None:
    """The checksum of a file as it is; None where its header makes no sense."""
    value = _model_checksum(header[_METADATA])
    try:
        for name, entry in sorted((name, entry) for name, entry in header.items() if name != _METADATA):
            first, last = entry["data_offsets"]
            value = zlib.crc32(_description(name, _DTYPES[entry["dtype"]], entry["shape"]), value)
            value = zlib.crc32(data[first:last], value)
    except (ValueError, LookupError, TypeError):
        return None
    return f"{value:08x}"


def _holdings(encoder: str, header: Mapping[str, Any]) -> tuple[str, list[Holding]]:
    _check_format(header)
    metadata = header[_METADATA]
    if metadata.get("encoder") != encoder:
        raise ValueError("a shard of another encoder")
    try:
        return metadata.get("model", ""), holdings(name for name in header if name != _METADATA)
    except ValueError as error:
        raise ValueError("damaged file (it names what it holds in an unknown way)") from error


def _check_format(header: Mapping[str, Any]) -> None:
    if header[_METADATA].get("format", SHARD_FORMAT) != SHARD_FORMAT:
        raise ValueError(OTHER_VERSION)


def _header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header of an open safetensors file of so many bytes, and where the values begin."""
    length = int.from_bytes(file.read(8), "little")
    start = 8 + length
    try:
        header = json.loads(file.read(length)) if start <= size else {}
        header.setdefault(_METADATA, {})
        ends = [start + entry["data_offsets"][1] for name, entry in header.items() if name != _METADATA]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError("damaged file (its header cannot be read)") from error
    if max(ends, default=start) != size:
        raise ValueError("damaged file (its length is not what its header says)")
    return header, start


def checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """CRC-32 of the name of the encoder and the format, and of the tensors' names, types, shapes and values."""
    value = _model_checksum(metadata)
    for name in sorted(tensors):
        tensor = tensors[name]
        values: NDArray[np.uint8] = tensor.reshape(-1).view(torch.uint8).numpy()
        value = zlib.crc32(_description(name, tensor.dtype, tensor.shape), value)
        value = zlib.crc32(values.data, value)
    return f"{value:08x}"


def _model_checksum(metadata: Mapping[str, str]) -> int:
    # the rest of the metadata is compared with what it must be
    return zlib.crc32("".join(metadata.get(name, "") for name in ("model", "format", "version")).encode())


def _description(name: str, dtype: torch.dtype, shape: Sequence[int]) -> bytes:
    return f"{name}{dtype}{tuple(shape)}".encode()
