"""Recordings opened for reading in blocks: samples in memory, and files of every kind."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from emovoz.corpus import media
from emovoz.errors import ClipError
from emovoz.remote import RemoteFile

BLOCK_SECONDS = 10
LONGEST_SECONDS = 7 * 24 * 3600
"""A header that claims more than a week does not know."""
_STREAMED = 0x7FFFF000
"""A wav written to a pipe claims a length near 2 or 4 GiB; that is no truncation."""

# where libsndfile may jump: in Vorbis it can land elsewhere, in mp3 it would lack what came before, and all else than
# Opus is read from its beginning fast; after a jump in Opus, samples differ from a whole decode by a thousandth or two
_JUMPS = ("PCM", "FLOAT", "DOUBLE", "ULAW", "ALAW", "OPUS")


@dataclass(frozen=True)
class Waveform:
    """Audio in memory: samples [time] or [time, channel], and their rate in Hz."""

    samples: np.ndarray
    rate: int


@dataclass(frozen=True)
class Recording:
    """An opened recording.

    Attributes:
        rate: Hz.
        frames: its length, samples of one channel.
        blocks: from a first to before a last frame, pieces [time] or [time, channel] of at most ten seconds.
        channels: how many it has.
        form: how it is kept, such as `WAV PCM_16`.
    """

    rate: int
    frames: int
    blocks: Callable[[int, int], Iterator[np.ndarray]]
    channels: int
    form: str

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return self.frames / self.rate


@contextmanager
def opened(audio: Path | Waveform | RemoteFile) -> Iterator[Recording]:
    """Open audio for reading; a file that libsndfile does not know is left to PyAV, where that is installed.

    Raises:
        ClipError: no such file, not audio, or a header that cannot be true.
    """
    if isinstance(audio, Waveform):
        yield _in_memory(audio)
        return
    if isinstance(audio, RemoteFile):
        with _remote(audio) as recording:
            yield recording
        return
    if not is_file(audio):
        raise ClipError("no such file")
    try:
        _refuse_sample_dump(audio)
        file = _InOrder(audio)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        # TypeError: soundfile takes a name ending in .raw for samples without a header
        reason = getattr(error, "error_string", "") or getattr(error, "strerror", "") or str(error)
        yield _by_media(audio, f"not readable as audio ({reason.strip().rstrip('.')})")
        return
    with file:
        _refuse_cut_wav(file)
        if not 0 <= file.frames < LONGEST_SECONDS * file.samplerate:
            raise ClipError("its header does not say how long it is; convert it, for instance to wav")
        form = file.format if file.format == file.subtype else f"{file.format} {file.subtype}"
        yield Recording(file.samplerate, file.frames, partial(_file_blocks, file), file.channels, form)


def is_file(path: Path | RemoteFile) -> bool:
    """Whether there is such a file; False also for a name that no file can have."""
    if isinstance(path, RemoteFile):
        return path.state is not None
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextmanager
def _remote(file: RemoteFile) -> Iterator[Recording]:
    """A recording at a URL; of one whose header is known, a copy is fetched only where its samples are wanted."""
    if file.fault is not None:
        raise ClipError(file.fault)
    header = file.header
    if header is None:
        with opened(file.fetched()) as recording:
            yield recording
        return

    def blocks(first: int, last: int) -> Iterator[np.ndarray]:
        with opened(file.fetched()) as recording:
            yield from recording.blocks(first, last)

    yield Recording(header.rate, header.frames, blocks, header.channels, header.form)


def _in_memory(waveform: Waveform) -> Recording:
    samples, rate = np.asarray(waveform.samples), waveform.rate
    if samples.ndim not in (1, 2) or rate <= 0:
        raise ClipError(f"samples of shape {samples.shape} at {rate} Hz; expected [time] or [time, channel]")

    size = max(1, int(BLOCK_SECONDS * rate))

    def blocks(first: int, last: int) -> Iterator[np.ndarray]:
        for at in range(first, last, size):
            yield samples[at : min(at + size, last)]

    return Recording(rate, len(samples), blocks, samples.shape[1] if samples.ndim == 2 else 1, "samples in memory")


def _by_media(path: Path, reason: str) -> Recording:
    """A recording that PyAV reads; `reason` is why libsndfile does not."""
    known = media.NAMES.fullmatch(path.name) is not None
    try:
        track = media.track_of(path)
    except ImportError as error:
        hint = "; to read m4a, aac, mp4 and the like: pip install 'emovoz[media]'" if known else ""
        raise ClipError(reason + hint) from error
    except ClipError as error:
        # of the formats that it reads, libsndfile knows best what is wrong
        raise ClipError(str(error) if known else reason) from error
    read = partial(media.blocks, path, block=BLOCK_SECONDS * track.rate)
    return Recording(track.rate, track.frames, read, track.channels, track.form)


class _InOrder(soundfile.SoundFile):
    """A file read from one sample to the next: soundfile itself seeks after every read, where mp3 decoders stumble."""

    def seekable(self) -> bool:
        """Say no, so that nothing seeks but `_file_blocks`."""
        return False


def _file_blocks(file: _InOrder, first: int, last: int) -> Iterator[np.ndarray]:
    at, size = 0, BLOCK_SECONDS * file.samplerate
    try:
        if file.subtype.startswith(_JUMPS):
            at = file.seek(first)
        while at < last:
            wanted = min(size, last - at)
            block = file.read(wanted, dtype="float32", always_2d=True)
            if len(block) < wanted:
                raise ClipError(f"truncated: {at + len(block)} samples where the header promises {file.frames}")
            if at + wanted > first:
                yield block[max(0, first - at) :]
            at += wanted
    except soundfile.SoundFileError as error:
        raise ClipError(f"truncated or damaged: decoding stopped ({error})") from error


def _refuse_sample_dump(path: Path) -> None:
    # of a damaged one libsndfile prints its complaints on stdout, among the results
    with path.open("rb") as file:
        if file.read(2) == b"\xf0\x7e":
            raise ClipError("a MIDI sample dump; convert it, for instance to wav")


def _refuse_cut_wav(file: soundfile.SoundFile) -> None:
    # libsndfile shortens a cut wav in silence; only its log tells what the header claims
    claim = re.search(r"data : (\d+) \(should be (\d+)\)", file.extra_info)
    if claim and int(claim[2]) < int(claim[1]) < _STREAMED:
        raise ClipError(f"truncated: {claim[2]} bytes of samples where the header promises {claim[1]}")
