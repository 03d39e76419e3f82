"""The folders of a store: who may write, and whether there is room."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from emovoz.errors import InputError
from emovoz.files import FULL, SHUT
from emovoz.progress import say

LOCK = ".lock"

_KEEP_FREE = 200_000_000
_ADVICE = (
    "free some space, name another folder with --store, or keep less: fewer layers, a longer features.stride, "
    "or features.cache=false, which keeps nothing"
)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, made if absent; who has to wait for it is told so.

    The system frees the lock of a process that is killed.

    Raises:
        InputError: nothing can be written there.
    """
    with write_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=1)
        except Timeout:
            say(f"waiting for another process that writes to {folder}")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locked_if_free(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder if nobody else does and it can be written to; yields whether it is held."""
    lock = FileLock(folder / LOCK)
    # Timeout, a held lock, is an OSError too
    with suppress(OSError):
        lock.acquire(blocking=False)
    try:
        yield lock.is_locked
    finally:
        lock.release()


@contextmanager
def write_faults(folder: Path, size: int = 0) -> Iterator[None]:
    """Turn errors of writing so many bytes that the user can mend into InputError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            lost = f"; {megabytes(size)} that were to be written are lost" if size else ""
            raise InputError(
                f"{folder}: {FULL[error.errno]} ({megabytes(free_bytes(folder))} free){lost}. What was written before "
                f"is kept and the next run goes on from there. To go on, {_ADVICE}"
            ) from error
        if error.errno in SHUT:
            raise InputError(
                f"{folder}: the feature store cannot be written to ({error.strerror}); "
                "what is in it can be read, but new features need another folder: name one with --store"
            ) from error
        if error.errno == errno.ENOENT:
            raise InputError(
                f"{folder}: the feature store was deleted or moved while it was written to; what was in it is gone "
                "with it. Run the command again: it is made anew"
            ) from error
        raise


@contextmanager
def read_faults(folder: Path) -> Iterator[None]:
    """Turn errors of reading into InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: the feature store cannot be read ({error.strerror or error})"
        ) from error


def free_bytes(folder: Path) -> int:
    """What is free for this user on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(_nearest(folder)).free


def check_room(folder: Path, needed: int) -> None:
    """Raise InputError unless so many bytes fit, leaving 200 MB free, or 5 % of a disk smaller than 4 GB."""
    disk = shutil.disk_usage(_nearest(folder))
    spare = min(_KEEP_FREE, disk.total // 20)
    if needed + spare > disk.free:
        raise InputError(
            f"{folder}: about {megabytes(needed)} of features would not fit: {megabytes(disk.free)} are free, "
            f"of which {megabytes(spare)} are left alone; {_ADVICE}"
        )


def megabytes(count: int) -> str:
    """A size for people.

    >>> megabytes(2_500_000), megabytes(3_210_000_000)
    ('2.5 MB', '3.21 GB')
    """
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"


def _nearest(folder: Path) -> Path:
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
