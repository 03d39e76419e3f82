"""A folder of class folders: each folder's name is the label of the audio files below it."""

import re
from collections.abc import Iterator
from pathlib import Path

from emovoz.corpus.tables import Row, Table
from emovoz.errors import InputError
from emovoz.progress import say

_NO_AUDIO = re.compile(
    r".*\.(txt|md|rst|csv|tsv|tab|parquet|jsonl?|ndjson|xml|ya?ml|html?|pdf|docx?|xlsx?|ods|ini|cfg|log|py|ipynb|sh|m|r"
    r"|lab|textgrid|eaf|srt|vtt|db|png|jpe?g|gif|svg|zip|gz|tar|tgz|npy|npz|pt|h5|md5|sha256)",
    re.IGNORECASE,
)
"""Names of files that clearly hold no audio."""


def read_class_folders(root: Path) -> Table:
    """A row for each audio file below each class folder; its id is its path from `root`, with `/`.

    Hidden files are passed over, files that are no audio are left out and counted.
    """
    entries = [path for path in sorted(root.iterdir()) if not path.name.startswith(".")]
    found = {path: list(visible_files(path)) for path in entries}
    audio = {path: [file for file in below if not is_no_audio(file)] for path, below in found.items()}
    left_out = [file for below in found.values() for file in below if is_no_audio(file)]
    if left_out:
        say(f"{root}: files that are no audio, left out: {len(left_out)}, such as {left_out[0].relative_to(root)}")
    for path in entries:
        if path.is_dir() and not audio[path]:
            say(f"{path}: no audio in this class folder")
    rows = [_row(root, path, file) for path in entries for file in audio[path]]
    if not rows:
        raise InputError(f"{root}: no clip: expected a folder for each label, with its audio files")
    return Table(("id", "label"), rows)


def visible_files(path: Path) -> Iterator[Path]:
    """A file itself; of a folder, all files below it that are not hidden, sorted."""
    if not path.is_dir():
        yield path
        return
    below = sorted(file for file in path.rglob("*") if file.is_file())
    yield from (file for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts))


def is_no_audio(file: Path) -> bool:
    """Whether the name of a file says that it holds no audio."""
    return _NO_AUDIO.fullmatch(file.name) is not None


def _row(root: Path, folder: Path, file: Path) -> Row:
    name = file.relative_to(root).as_posix()
    faults = ("lies in no class folder; the name of its folder is the label",) if file == folder else ()
    return Row(name, {"id": name, "label": folder.name}, faults)
