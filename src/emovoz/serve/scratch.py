"""A private folder for uploads while they are decoded."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "emovoz-serve-"
_LOCK = "in-use"


class Scratch:
    """A folder that nobody else can read, gone when it is closed.

    One that was left behind, because its process was killed, is removed when the next is made.
    """

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = FileLock(self.folder / _LOCK)
        self._lock.acquire()

    @contextmanager
    def file(self, suffix: str) -> Iterator[Path]:
        """A file of its own for as long as it is needed.

        Args:
            suffix: of its name, such as `.wav`; all else of the name is ours.
        """
        handle, name = tempfile.mkstemp(suffix=suffix, dir=self.folder)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder and all in it."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for lock in parent.glob(f"{PREFIX}*/{_LOCK}"):
        # those of others cannot be opened, those of running services are taken
        with contextlib.suppress(OSError, Timeout), FileLock(lock, timeout=0):
            if not lock.parent.is_symlink():
                shutil.rmtree(lock.parent, ignore_errors=True)
