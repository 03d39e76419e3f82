"""Content keys: what a clip holds, hashed; not what it is called or where it lies."""

import hashlib
from functools import lru_cache
from pathlib import Path

from emovoz.corpus import Clip, Waveform
from emovoz.errors import ClipError
from emovoz.remote import RemoteFile


def audio_key(clip: Clip) -> str:
    """Hash of a clip's audio: the bytes of its file or its samples, and which part of them.

    Raises:
        ClipError: the file cannot be read.
    """
    digest = hashlib.sha256()
    if isinstance(clip.audio, Waveform):
        samples = clip.audio.samples
        digest.update(f"{samples.dtype}{samples.shape}{clip.audio.rate}".encode())
        digest.update(samples.tobytes())
    elif clip.audio is not None:
        digest.update(file_digest(clip.audio))
    if clip.start is not None or clip.end is not None:
        digest.update(f"{clip.start}-{clip.end}".encode())
    return digest.hexdigest()[:32]


def text_key(text: str) -> str:
    """Hash of a text.

    >>> text_key("sí") == text_key("sí "), len(text_key(""))
    (False, 32)
    """
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_digest(path: Path | RemoteFile) -> bytes:
    """Hash of a file's bytes.

    Raises:
        ClipError: it cannot be read.
    """
    if isinstance(path, RemoteFile):
        return path.header.digest if path.header else file_digest(path.fetched())
    try:
        now = path.stat()
        return _digest_as_of(path, now.st_size, now.st_mtime_ns)
    except OSError as error:
        raise ClipError(f"cannot be read ({error.strerror})") from error


@lru_cache(maxsize=100_000)
def _digest_as_of(path: Path, size: int, modified: int) -> bytes:
    """The hash of a file in this state; many segments of one recording read it once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
