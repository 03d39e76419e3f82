"""Files at URLs: s3://, gs://, hf:// and whatever else fsspec knows; asked only where a user names one."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import Any

from emovoz.cache import cache_directory
from emovoz.errors import ClipError, InputError
from emovoz.files import write_bytes
from emovoz.progress import progress

AT_ONCE = 16
"""Requests under way at a time."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PACKAGES = {"s3": "emovoz[s3]", "s3a": "emovoz[s3]", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
_STATE = (
    "size",
    "ETag",
    "etag",
    "md5Hash",
    "generation",
    "blob_id",
    "created",
    "mtime",
    "LastModified",
    "last_modified",
)
"""By which file systems tell a file from what it was before."""


@dataclass(frozen=True)
class Header:
    """What is known of a recording without its samples: hash of its bytes, Hz, samples of a channel, kind."""

    digest: bytes
    rate: int
    frames: int
    channels: int
    form: str


@dataclass(frozen=True)
class RemoteFile:
    """A file at a URL.

    Attributes:
        url: where it lies.
        state: by which it is told from what it was before; None where there is no such file.
        size: bytes.
        header: of a recording that has been looked at.
        fault: why it cannot be used, as far as that is known.
    """

    url: str
    state: str | None
    size: int = 0
    header: Header | None = None
    fault: str | None = None

    def __str__(self) -> str:
        """As it is shown."""
        return self.url

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return self.url.rsplit("/", 1)[1]

    def fetched(self) -> Path:
        """A copy on this machine, fetched when first asked for.

        Raises:
            ClipError: it cannot be had.
        """
        name = hashlib.sha256(f"{self.url}\n{self.state}".encode()).hexdigest()[:32]
        copy = (_copies or cache_directory() / "remote") / f"{name}{PurePosixPath(self.url).suffix}"
        if self.state is None:
            raise ClipError("no such file")
        if not copy.is_file():
            try:
                fetch(self.url, copy, self)
            except InputError as error:
                raise ClipError(str(error).removeprefix(f"{self.url}: ")) from error
        return copy

    def is_in(self, copy: Path) -> bool:
        """Whether a copy holds what the file held when it was listed and looked at."""
        if copy.stat().st_size != self.size:
            return False
        with copy.open("rb") as file:
            return self.header is None or hashlib.file_digest(file, "sha256").digest() == self.header.digest


_copies: Path | None = None


@contextmanager
def copies_meanwhile() -> Iterator[None]:
    """In this block, what is fetched is not kept in the user's cache, but deleted when it ends."""
    global _copies
    parent = Path(tempfile.gettempdir())
    for left in parent.glob("emovoz-copies-*"):
        # what a killed process has left
        if not _is_alive(left.name.rsplit("-", 1)[1]):
            shutil.rmtree(left, ignore_errors=True)
    _copies = parent / f"emovoz-copies-{os.getpid()}"
    try:
        yield
    finally:
        shutil.rmtree(_copies, ignore_errors=True)
        _copies = None


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def is_url(place: object) -> bool:
    """Whether a place is named by a URL.

    >>> is_url("s3://bucket/a.wav"), is_url("C:/a.wav"), is_url("a.wav")
    (True, False, False)
    """
    return isinstance(place, str) and _URL.match(place) is not None


def joined(url: str, *names: str) -> str:
    """The URL of what lies below another.

    >>> joined("s3://bucket/audio/", "happy/a.wav")
    's3://bucket/audio/happy/a.wav'
    """
    return "/".join((url.rstrip("/"), *names))


def parent(url: str) -> str:
    """The URL of the folder in which something lies.

    >>> parent("s3://bucket/corpus/train.csv"), parent("memory://train.csv")
    ('s3://bucket/corpus', 'memory://')
    """
    above = url.rstrip("/").rsplit("/", 1)[0]
    return above if "://" in above else f"{above}/"


def listing(url: str) -> dict[str, RemoteFile]:
    """All files below a URL, however deep, by their path from there, sorted; none where there is no such folder.

    Raises:
        InputError: it cannot be listed.
    """
    with _faults(url):
        system, path = _system(url)
        # another process may have written since this one last looked
        system.invalidate_cache()
        try:
            found = system.find(path, detail=True)
        except FileNotFoundError:
            # the bucket itself must be there
            system.ls(system._strip_protocol(_root(url)))
            return {}
    prefix = f"{system._strip_protocol(path).rstrip('/')}/"
    inside = {name.removeprefix(prefix): info for name, info in found.items() if name.startswith(prefix)}
    return {name: _file(joined(url, name), inside[name]) for name in sorted(inside) if name}


def stat(url: str) -> RemoteFile:
    """A file by its URL, whether it is there or not.

    Raises:
        InputError: it cannot be asked for.
    """
    with _faults(url):
        system, path = _system(url)
        try:
            info = system.info(path)
        except FileNotFoundError:
            return RemoteFile(url, None)
    return _file(url, info) if info["type"] == "file" else RemoteFile(url, None)


def fetch(url: str, target: Path, known: RemoteFile | None = None) -> None:
    """Copy a file to this machine, under a temporary name first.

    Raises:
        InputError: it cannot be had, or it is no more what was `known` of it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=".fetched-", dir=target.parent)
    os.close(handle)
    try:
        with _faults(url):
            system, path = _system(url)
            system.get_file(path, scratch)
        if known and not known.is_in(Path(scratch)):
            raise InputError(f"{url}: it has changed since it was looked at; run the command again")
        Path(scratch).replace(target)
    finally:
        Path(scratch).unlink(missing_ok=True)


def read(url: str, first: int | None = None, last: int | None = None) -> bytes:
    """The bytes of a file from a first to before a last; by default all.

    Raises:
        InputError: it cannot be had.
    """
    with _faults(url):
        system, path = _system(url)
        return bytes(system.cat_file(path, start=first, end=last))


def write(url: str, content: bytes) -> None:
    """Write a file whole; where one of its name is, it is replaced.

    Raises:
        InputError: it cannot be written.
    """
    with _faults(url):
        system, path = _system(url)
        if "file" in system.protocol:
            # alone of them, a disk shows what is half written
            write_bytes(Path(path), content)
        else:
            system.pipe_file(path, content)


def fetch_all(files: Iterable[RemoteFile]) -> None:
    """Fetch copies of files, several at a time; one that cannot be had is told where it is used."""
    wanted = list(files)

    def bring(file: RemoteFile) -> None:
        with suppress(ClipError):
            file.fetched()

    with progress("fetching", len(wanted)) as advance, ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(bring, wanted):
            advance(1)


def fetch_folder(url: str, target: Path) -> None:
    """Copy all files below a URL into a folder.

    Raises:
        InputError: there are none, or they cannot be had.
    """
    files = listing(url)
    if not files:
        raise InputError(f"{url}: no files there")
    if any(".." in name.split("/") for name in files):
        raise InputError(f"{url}: a name there leads out of the folder (..)")
    for name, file in files.items():
        fetch(file.url, target / name)


def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in there."""
    import fsspec

    system, path = fsspec.core.url_to_fs(url)
    return system, path


def _root(url: str) -> str:
    return "/".join(url.split("/")[:3])


def _file(url: str, info: dict[str, Any]) -> RemoteFile:
    state = " ".join(f"{name}={info[name]}" for name in _STATE if info.get(name) is not None)
    return RemoteFile(url, state, int(info.get("size") or 0))


@contextmanager
def _faults(url: str) -> Iterator[None]:
    """Turn errors of any file system into InputError; each library has its own."""
    scheme = url.split(":", 1)[0]
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        package = _PACKAGES.get(scheme)
        how = f"pip install '{package}'" if package else str(error)
        raise InputError(f"{url}: reading and writing {scheme}:// needs a package more: {how}") from error
    except FileNotFoundError as error:
        raise InputError(f"{url}: no such file, folder or bucket") from error
    except PermissionError as error:
        raise InputError(f"{url}: no permission ({shorten(str(error), 200)})") from error
    except Exception as error:
        if isinstance(error, ValueError) and "Protocol not known" in str(error):
            raise InputError(f"{url}: no such kind of place as {scheme}://") from error
        reason = shorten(" ".join(str(error).split()) or type(error).__name__, 300)
        raise InputError(f"{url}: cannot be read or written ({reason})") from error
