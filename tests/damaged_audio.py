"""Short sounds in every format that can be read, and damage done to them by a seed."""

import random
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

from sounds import tone
from videos import write_video

TRACKS = {
    "aac.m4a": "aac", "alac.m4a": "alac", "a.aac": "aac", "a.wma": "wmav2", "a.mkv": "aac", "a.webm": "libopus",
    "a.3gp": "aac", "a.mov": "aac", "pcm.mov": "pcm_s16le", "a.flv": "aac", "a.ts": "aac",
    "a.ac3": "ac3", "a.avi": "ac3", "a.mpg": "mp2", "mp3.mp4": "libmp3lame",
}  # fmt: skip
"""Files that PyAV writes, and the codec of each; its rate is that which all of them know."""
RATE = 48000
# what headers count: lengths, rates, channels, widths, and what wraps around or has no end
NOT_READ = ("RAW", "SDS", "SD2")
"""Samples without a header, sample dumps, and what keeps its header in another file."""
NUMBERS = (0, 1, 2, 3, 7, 255, 256, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
HEADER = 200
"""Bytes in which a header lies."""


def sounds(folder: Path) -> dict[str, bytes]:
    """A fifth of a second of sound in every format and width: content by a name with the usual ending."""
    found = {}
    for container in sorted(soundfile.available_formats()):
        for subtype in sorted(soundfile.available_subtypes(container)):
            path = folder / f"{subtype.lower()}.{container.lower()}"
            if (
                container not in NOT_READ
                and soundfile.check_format(container, subtype)
                and _written(path, container, subtype)
            ):
                found[path.name] = path.read_bytes()
    for name, codec in TRACKS.items():
        _write_track(folder / name, codec)
        found[name] = (folder / name).read_bytes()
    found["video.mp4"] = write_video(folder / "video.mp4", tone(RATE, 0.4), RATE).read_bytes()
    return found


def _written(path: Path, container: str, subtype: str) -> bool:
    """Whether libsndfile writes this; of some it can only read, or wants another rate."""
    try:
        soundfile.write(path, tone(16000, 0.2), 16000, format=container, subtype=subtype)
    except soundfile.SoundFileError:
        return False
    return True


def _write_track(path: Path, codec: str) -> None:
    with av.open(str(path), "w") as container:
        track: Any = container.add_stream(codec, rate=RATE, layout="mono")
        track.bit_rate = 64_000
        form = track.codec_context.format.name
        converted = av.AudioResampler(format=form, layout="mono", rate=RATE, frame_size=1024)
        whole = av.AudioFrame.from_ndarray(tone(RATE, 0.2)[None].astype(np.float32), format="fltp", layout="mono")
        whole.sample_rate = RATE
        for frame in [*converted.resample(whole), *converted.resample(None)]:
            container.mux(track.encode(frame))
        container.mux(track.encode(None))


def damaged(files: Mapping[str, bytes], rng: random.Random) -> tuple[str, bytes]:
    """One of the files, damaged in one to three ways: its name, and what it holds."""
    name = rng.choice(sorted(files))
    content = files[name]
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = rng.choice(WAYS)(content, rng)
    if rng.random() < 0.1:
        name = f"{name}{Path(rng.choice(sorted(files))).suffix}"
    elif rng.random() < 0.1:
        content += files[rng.choice(sorted(files))]
    return name, content


def _flipped(content: bytes, rng: random.Random, within: int | None = None) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 64)) if changed else 0):
        changed[rng.randrange(len(changed[:within]))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _header_flipped(content: bytes, rng: random.Random) -> bytes:
    return _flipped(content, rng, HEADER)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _inserted(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice((bytes, rng.randbytes))(rng.choice((1, 2, 3, 64, 5000))) + content[at:]


def _left_out(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + content[at + rng.choice((1, 2, 3, 64, 1000)) :]


def _numbered(content: bytes, rng: random.Random) -> bytes:
    """Another number somewhere in the header, of two, four or eight bytes."""
    number = struct.pack(rng.choice("<>") + "Q", rng.choice(NUMBERS))
    width = rng.choice((2, 4, 8))
    field = number[:width] if number[0] or not number[-1] else number[-width:]
    at = rng.randrange(min(HEADER, len(content)) + 1)
    return content[:at] + field + content[at + width :]


def _swapped(content: bytes, rng: random.Random) -> bytes:
    one, other = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:one] + content[other:] + content[one:other]


def _repeated(content: bytes, rng: random.Random) -> bytes:
    return content + content[rng.randrange(len(content) + 1) :]


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flipped, _header_flipped, _header_flipped, _cut, _inserted, _left_out, _numbered, _numbered, _swapped, _repeated,
)  # fmt: skip
