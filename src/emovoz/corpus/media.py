"""The sound of m4a, aac, wma and videos, decoded by PyAV (the extra `media`)."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emovoz.errors import ClipError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

NAMES = re.compile(r".*\.(m4[abv]|mp4|mov|3g[p2]|aac|ac3|amr|wm[av]|asf|webm|mk[av]|avi|flv|mpe?g|ts)", re.IGNORECASE)
"""What such files are usually called."""
# what else FFmpeg knows, such as playlists, may lead to other files or to the network
_FORMATS = "mov,matroska,asf,aac,ac3,amr,avi,flv,mpeg,mpegts,ogg"
_SHORTFALL_SECONDS = 0.5
"""What a track may lack of the length that its container tells: times are rounded, encoders pad."""


@dataclass(frozen=True)
class Track:
    """An audio track: its rate in Hz, length in samples, channels, and how it is kept, such as `M4A AAC`."""

    rate: int
    frames: int
    channels: int
    form: str


def track_of(path: Path) -> Track:
    """A file's first audio track.

    Raises:
        ImportError: PyAV is not installed.
        ClipError: the file cannot be opened, or has no audio track.
    """
    with _opened(path) as (container, track):
        if container.format.name.startswith("mov") and track.duration and track.time_base:
            frames = round(track.duration * track.time_base * track.rate)
        else:
            frames = _counted_frames(container, track)
        form = f"{path.suffix[1:]} {track.codec_context.name}".strip().upper()
        return Track(track.rate, frames, track.codec_context.channels, form)


def blocks(path: Path, first: int, last: int, *, block: int) -> Iterator[np.ndarray]:
    """The samples from `first` to before `last` of the first audio track, its channels averaged: float32 [time].

    Decoding always begins at the beginning: codecs such as AAC give other values after a jump. It goes hundreds of
    times faster than real time, and what is before the part is not kept.

    Args:
        path: the file.
        first, last: samples of one channel.
        block: how many at least make a block.

    Raises:
        ClipError: damaged, or ends well before `last`.
    """
    at, kept, pieces = 0, 0, []
    with _opened(path) as (container, track):
        for frame in container.decode(track):
            if frame.sample_rate != track.rate:
                raise ClipError(f"its rate changes from {track.rate} to {frame.sample_rate} Hz; convert it to one rate")
            if at + frame.samples > first:
                pieces.append(_mono(frame)[max(0, first - at) : last - at])
                kept += len(pieces[-1])
            at += frame.samples
            if kept >= block:
                yield np.concatenate(pieces)
                kept, pieces = 0, []
            if at >= last:
                break
    if last - at > _SHORTFALL_SECONDS * track.rate:
        raise ClipError(f"truncated: {at} samples where the header promises {last}")
    if kept:
        yield np.concatenate(pieces)


def _mono(frame: "AudioFrame") -> np.ndarray:
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    # integers stand for -1 to 1, unsigned ones around their middle
    if samples.dtype == np.uint8:
        samples = samples / 128.0 - 1.0
    elif samples.dtype.kind == "i":
        samples = samples / 2.0 ** (8 * samples.dtype.itemsize - 1)
    return samples.astype(np.float32).mean(axis=0)


def _counted_frames(container: "InputContainer", track: "AudioStream") -> int:
    """Length by the times of the packets; a millisecond more where these are not counted in samples."""
    start = track.start_time or 0
    ends = [packet.pts + (packet.duration or 0) for packet in container.demux(track) if packet.pts is not None]
    ticks = max(ends, default=start) - start
    samples_a_tick = (track.time_base or 0) * track.rate
    rounding = Fraction(track.rate, 1000) if samples_a_tick > 1 else 0
    return math.ceil(ticks * samples_a_tick + rounding) if ticks else 0


@contextmanager
def _opened(path: Path) -> Iterator[tuple["InputContainer", "AudioStream"]]:
    import av

    failed = "not readable as audio"
    try:
        # a file object, so that no name can be taken for an address
        with path.open("rb") as file, av.open(file, "r", options={"format_whitelist": _FORMATS}) as container:
            if not container.streams.audio:
                raise ClipError("not readable as audio (it has no audio track)")
            track = container.streams.audio[0]
            if track.codec_context is None or not track.rate:
                raise ClipError("not readable as audio (its audio track is of no known kind)")
            failed = "truncated or damaged: decoding stopped"
            yield container, track
    except ClipError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ClipError(f"{failed} ({getattr(error, 'strerror', '') or error})") from error
