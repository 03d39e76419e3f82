"""What those who mean harm put into files."""

import json
import pickle
import struct
from pathlib import Path


class Writes:
    """What a pickle of it does is write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def pickle_that_writes(path: Path) -> bytes:
    """A pickle that leaves a file there, wherever somebody loads it."""
    return pickle.dumps(Writes(path))


GIANT = {"dtype": "F32", "shape": [10**12, 10**6], "data_offsets": [0, 4 * 10**18]}
"""A tensor as the header of safetensors tells of it."""


def tensors(header: object, length: int | None = None) -> bytes:
    """A file of safetensors that begins like this, and says that its header is so long."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text
