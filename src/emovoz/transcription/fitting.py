"""Whether the files of a CTranslate2 Whisper fit each other.

CTranslate2 takes the places of its configuration as they are, and reads beyond its memory where they are wrong.
"""

import json
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

SPECTROGRAM = {"feature_size": (80, 128), "sampling_rate": (16000,), "hop_length": (160,), "chunk_length": (30,)}
SPECTROGRAM |= {"n_fft": (400,)}
"""What goes into a Whisper of any size."""


def misfits(directory: Path) -> Iterator[str]:
    """What in a directory cannot be, a phrase each.

    Args:
        directory: with a `config.json` and a `model.bin`.
    """
    told = _object(directory / "config.json")
    if told is None:
        yield "config.json is no JSON object"
        return
    for name in ("suppress_ids", "suppress_ids_begin", "lang_ids"):
        if not all(isinstance(one, int) for one in _listed(told.get(name, []))):
            yield f"{name} in config.json is no list of tokens"
    try:
        layers, heads = _decoder(directory / "model.bin")
    except (struct.error, ValueError, KeyError) as error:
        yield f"model.bin is damaged ({error})"
        return
    pairs = _listed(told.get("alignment_heads"))
    if not (pairs and all(_is_place(pair, layers, heads) for pair in pairs)):
        yield f"alignment_heads in config.json are no places in {layers} layers of {heads} heads"
    file = directory / "preprocessor_config.json"
    asked = _object(file) if file.is_file() else {}
    if asked is None:
        yield f"{file.name} is no JSON object"
    for name, known in SPECTROGRAM.items():
        if (asked or {}).get(name, known[0]) not in known:
            yield f"{name} in {file.name} is not that of a Whisper"


def _object(file: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _listed(value: Any) -> list[Any]:
    """A list, or one of what no list holds."""
    return value if isinstance(value, list) else [None]


def _is_place(pair: Any, layers: int, heads: int) -> bool:
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, int) for one in pair)):
        return False
    return 0 <= pair[0] < layers and 0 <= pair[1] < heads


def _decoder(file: Path) -> tuple[int, int]:
    """Layers of the decoder and heads of each, as the weights' file tells (`ctranslate2.specs.model_spec`)."""
    variables: dict[str, bytes] = {}
    with file.open("rb") as opened:
        _numbers(opened, "=I")
        _string(opened)
        _, count = _numbers(opened, "=II")
        for _ in range(count):
            name, (rank,) = _string(opened), _numbers(opened, "=B")
            *_, length = _numbers(opened, f"={rank}IBI")
            # the number of heads has two bytes
            variables[name] = opened.read(min(length, 2))
            opened.seek(length - len(variables[name]), os.SEEK_CUR)
        for _ in range(*_numbers(opened, "=I")):
            alias, name = _string(opened), _string(opened)
            variables[alias] = variables[name]
    layers = {found[1] for name in variables if (found := re.match(r"decoder/layer_(\d+)/", name))}
    return len(layers), int.from_bytes(variables["decoder/num_heads"], "little")


def _numbers(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _string(file: BinaryIO) -> str:
    (length,) = _numbers(file, "=H")
    return file.read(length).rstrip(b"\0").decode(errors="replace")
