"""Writing files so that a reader never meets half of one."""

import os
import shutil
import tempfile
from pathlib import Path

from emovoz.errors import InputError


def write_whole(path: Path, text: str) -> None:
    """Write a text file under a temporary name, then rename it into place."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files for their owner alone; results are for whoever may read the folder
        Path(scratch).chmod(0o666 & ~_umask())
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def check_folder(path: Path) -> None:
    """Raise InputError unless a folder can be written to, or made, there; asked before long work, not after it."""
    there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    if not there.is_dir():
        raise InputError(f"{path}: {there} is a file, not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{path}: no permission to write in {there}")


def check_file(path: Path) -> None:
    """Raise InputError unless a file can be written there."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file")
    check_folder(path.parent)


def put_in_place(scratch: Path, target: Path) -> None:
    """Rename a finished folder to its place; what was there goes only once the new one is in."""
    if not target.exists():
        scratch.replace(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    target.replace(old)
    try:
        scratch.replace(target)
    except OSError:
        old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
