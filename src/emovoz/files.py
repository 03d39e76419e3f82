"""Writing files so that a reader never meets half of one, and a run that is killed leaves nothing for good."""

import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emovoz.errors import InputError

if sys.platform != "win32":
    import fcntl

FULL = {
    errno.ENOSPC: "the disk is full, or nearly so",
    errno.EDQUOT: "your disk quota is used up",
    errno.EFBIG: "files of this size are not allowed here (see ulimit -f)",
}
"""Why there is no room, by error number."""
SHUT = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
"""Numbers of the errors of writing where one may not."""
_NUMBERED = re.compile(r"(?:os error |Errno )(\d+)")
"""Of an error in the words of another library, or of several in one."""


def write_whole(path: Path, text: str) -> None:
    """Write a text file under a temporary name, then rename it into place."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it into place.

    Raises:
        InputError: the disk is full, or may not be written to.
    """
    with write_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(path)
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file, _held(Path(scratch)):
                file.write(content)
                file.flush()
                # mkstemp makes files for their owner alone; results are for whoever may read the folder
                Path(scratch).chmod(0o666 & ~_umask())
                Path(scratch).replace(path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise


@contextmanager
def folder_in_making(target: Path) -> Iterator[Path]:
    """A folder beside a target, to be filled and put in its place; what is not put there goes when the block ends.

    Raises:
        InputError: the disk is full, or may not be written to.
    """
    with write_faults(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(target)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            with _held(scratch):
                yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def put_in_place(scratch: Path, target: Path) -> None:
    """Rename a finished folder to its place; what was there goes only once the new one is in."""
    if not target.exists():
        scratch.replace(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    with _held(target):
        target.replace(old)
        try:
            scratch.replace(target)
        except OSError:
            old.replace(target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def clear_leftovers(target: Path) -> None:
    """Remove what killed runs have left of a target in the making; what another process is at stays.

    Where a kill fell between the two renames of `put_in_place`, what was there goes back to its place.
    """
    ours = re.compile(rf"\.{re.escape(target.name)}-(old-)?[a-z0-9_]{{8}}")
    for path in [path for path in _listed(target.parent) if ours.fullmatch(path.name)]:
        if _is_held(path):
            continue
        if path.is_dir() and not target.exists() and path.name.startswith(f".{target.name}-old-"):
            with suppress(OSError):
                path.replace(target)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def write_faults(place: Path) -> Iterator[None]:
    """Turn what keeps a file or folder from being written, and the user can mend, into InputError."""
    # whoever has no torch writes no tensors
    writers = getattr(sys.modules.get("safetensors"), "SafetensorError", OSError)
    try:
        yield
    except (OSError, writers) as error:
        told = _NUMBERED.search(str(error))
        number = getattr(error, "errno", None) or (int(told[1]) if told else None)
        if number in FULL:
            free = shutil.disk_usage(_nearest(place)).free
            raise InputError(
                f"{place}: {FULL[number]} ({free / 1e6:.1f} MB free), so it cannot be written; what was there before "
                "is kept. Free some space, or name another place"
            ) from error
        if number in SHUT:
            raise InputError(f"{place}: cannot be written ({os.strerror(number)}); name another place") from error
        raise


def check_folder(path: Path) -> None:
    """Raise InputError unless a folder can be written to, or made, there; asked before long work, not after it."""
    there = _nearest(path)
    if not there.is_dir():
        raise InputError(f"{path}: {there} is a file, not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{path}: no permission to write in {there}")


def check_file(path: Path) -> None:
    """Raise InputError unless a file can be written there."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file")
    check_folder(path.parent)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a file or folder, so that no other process takes it for a leftover; a process that is killed lets go."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        # some network disks lock nothing; there nothing is taken for a leftover either
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_held(path: Path) -> bool:
    """Whether a process holds it, as far as can be told."""
    if sys.platform == "win32":
        return True
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _nearest(path: Path) -> Path:
    return next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
