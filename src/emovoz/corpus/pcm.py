"""Sound that comes through a pipe: raw samples, or a wav whose header need not know how long it will be."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from emovoz.corpus.audio import finite, mono
from emovoz.errors import ClipError

BLOCK_BYTES = 1 << 16
LOWEST_RATE, MOST_CHANNELS = 1000, 64
"""Hz, and how many. Beyond them a number is no rate, or no channels: a block would be of hours, or a frame of many."""
_FORM_BYTES = 40
"""Of the description of the samples, at most."""
_UNKNOWN = (0, 0x7FFFF000)
"""Lengths that a header tells which does not know: none, and those from about 2 GiB on."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_TYPES = {
    (_PCM, 8): "u1",
    (_PCM, 16): "<i2",
    (_PCM, 24): "3u1",
    (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4",
    (_FLOAT, 64): "<f8",
}


@dataclass(frozen=True)
class Pcm:
    """How samples are laid out in a stream of bytes.

    Attributes:
        rate: Hz.
        channels: whose samples take turns.
        kind: numpy's name of a sample's type; `3u1` is an integer of three bytes.
        size: bytes of samples that the header promises; None where it does not know.

    Raises:
        ClipError: no rate or number of channels that sound has.
    """

    rate: int
    channels: int = 1
    kind: str = "<i2"
    size: int | None = None

    def __post_init__(self) -> None:
        if self.rate < LOWEST_RATE or not 1 <= self.channels <= MOST_CHANNELS:
            raise ClipError(
                f"{self.channels} channels at {self.rate} Hz: at least {LOWEST_RATE} Hz and 1 to {MOST_CHANNELS} "
                "channels are needed"
            )


def wav_header(stream: BinaryIO) -> Pcm:
    """Read a wav up to its samples.

    Raises:
        ClipError: no wav, or samples of a kind that is not read from a pipe.
    """
    start = stream.read(12)
    if start[:4] not in (b"RIFF", b"RF64") or start[8:] != b"WAVE":
        raise ClipError("no wav: raw samples need their rate in its place (--stdin 16000)")
    form: tuple[int, ...] | None = None
    while True:
        head = stream.read(8)
        if len(head) < 8:
            raise ClipError("truncated: it ends before its samples")
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            break
        content = stream.read(min(size, _FORM_BYTES))
        _skip(stream, size + size % 2 - len(content))
        if head[:4] == b"fmt " and len(content) >= 16:
            form = struct.unpack("<HHIIHH", content[:16])
            if form[0] == _EXTENSIBLE and len(content) >= 26:
                form = (struct.unpack("<H", content[24:26])[0], *form[1:])
    if form is None:
        raise ClipError("damaged: a wav that does not say how its samples are kept")
    kind = _TYPES.get((form[0], form[5]))
    if kind is None:
        raise ClipError(
            f"a wav of {form[1]} channels at {form[2]} Hz, {form[5]} bits of form {form[0]}: from a pipe, "
            "PCM and float samples are read; convert it, for instance by ffmpeg -f wav"
        )
    return Pcm(form[2], form[1], kind, None if size == _UNKNOWN[0] or size >= _UNKNOWN[1] else size)


def _skip(stream: BinaryIO, size: int) -> None:
    """Pass over so many bytes, or what there is of them; of a header that claims more, nothing is kept."""
    while size > 0 and (passed := len(stream.read(min(size, BLOCK_BYTES)))):
        size -= passed


def pcm_blocks(stream: BinaryIO, pcm: Pcm) -> Iterator[np.ndarray]:
    """The samples of a stream as they come, the mean of their channels: float32 [time] each.

    Args:
        stream: from the first sample on; it may have a `read1`, which gives what is there without waiting for more.
        pcm: how they are laid out.

    Raises:
        ClipError: it ends before its header says, or holds samples that are not finite.
    """
    read = getattr(stream, "read1", stream.read)
    frame = np.dtype(pcm.kind).itemsize * pcm.channels
    left, rest = pcm.size, b""
    while left is None or left > 0:
        data = read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
        if not data:
            break
        left = None if left is None else left - len(data)
        held = rest + data
        whole = len(held) // frame * frame
        rest = held[whole:]
        if whole:
            yield finite(mono(_samples(held[:whole], pcm).reshape(-1, pcm.channels)))
    if left:
        raise ClipError(f"truncated: {left} bytes fewer than the header promises")


def _samples(data: bytes, pcm: Pcm) -> np.ndarray:
    if pcm.kind != "3u1":
        return np.frombuffer(data, pcm.kind)
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.view("<i4").ravel()
