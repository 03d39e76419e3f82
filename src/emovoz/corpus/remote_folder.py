"""A folder of audio at a URL."""

from collections.abc import Mapping
from dataclasses import dataclass

from emovoz.remote import RemoteFile, joined, listing


@dataclass(frozen=True)
class RemoteFolder:
    """A folder at a URL, and all files below it by their path from there; listed once, not asked file by file."""

    url: str
    files: Mapping[str, RemoteFile]

    @classmethod
    def at(cls, url: str) -> "RemoteFolder":
        """The folder at a URL.

        Raises:
            InputError: it cannot be listed.
        """
        return cls(url, listing(url))

    def __str__(self) -> str:
        """As it is shown."""
        return self.url

    def __truediv__(self, name: str) -> RemoteFile:
        """A file in there, whether there is one or not."""
        return self.files.get(name) or RemoteFile(joined(self.url, name), None)

    def is_dir(self) -> bool:
        """Whether there is such a folder: one is where something lies in it."""
        return bool(self.files)
