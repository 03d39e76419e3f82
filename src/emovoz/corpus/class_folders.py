"""A folder of class folders: each folder's name is the label of the audio files below it."""

from collections.abc import Iterator
from pathlib import Path

from emovoz.corpus.tables import READERS, Row, Table
from emovoz.errors import InputError
from emovoz.progress import say

_NO_AUDIO = frozenset(READERS) | frozenset(
    f".{suffix}"
    for suffix in (
        *("txt", "md", "rst", "json", "xml", "yaml", "yml", "html", "htm", "pdf", "doc", "docx", "xls", "xlsx", "ods"),
        *("ini", "cfg", "log", "py", "ipynb", "sh", "m", "r", "lab", "textgrid", "eaf", "srt", "vtt", "db"),
        *("png", "jpg", "jpeg", "gif", "svg", "zip", "gz", "tar", "tgz", "npy", "npz", "pt", "h5", "md5", "sha256"),
    )
)
"""Suffixes of files that clearly hold no audio."""


def read_class_folders(root: Path) -> Table:
    """A row for each audio file below each class folder; its id is its path from `root`, with `/`.

    Hidden files are passed over, files that are no audio are left out and counted.
    """
    files = [path for path in sorted(root.iterdir()) if not path.name.startswith(".")]
    found = {path: list(_files(path)) for path in files}
    audio = {path: [file for file in below if not _is_no_audio(file)] for path, below in found.items()}
    left_out = sum(map(len, found.values())) - sum(map(len, audio.values()))
    if left_out:
        say(f"{root}: files that are no audio, left out: {left_out}")
    for path in files:
        if path.is_dir() and not audio[path]:
            say(f"{path}: no audio in this class folder")
    rows = [_row(root, path, file) for path in files for file in audio[path]]
    if not rows:
        raise InputError(f"{root}: no clip: expected a folder for each label, with its audio files")
    return Table(("id", "label"), rows)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    below = sorted(file for file in path.rglob("*") if file.is_file())
    yield from (file for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts))


def _is_no_audio(file: Path) -> bool:
    return file.suffix.lower() in _NO_AUDIO


def _row(root: Path, folder: Path, file: Path) -> Row:
    name = file.relative_to(root).as_posix()
    faults = ("lies in no class folder; the name of its folder is the label",) if file == folder else ()
    return Row(name, {"id": name, "label": folder.name}, faults)
