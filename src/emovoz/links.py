"""Links in a model's folder: they may not lead out of it."""

import os
from collections.abc import Iterator
from pathlib import Path

from emovoz.errors import InputError


def check_links(directory: Path) -> None:
    """Raise InputError where something in a model's folder lies elsewhere, or is neither file nor folder.

    The hub's cache is made of links, `snapshots/REVISION/NAME` to `blobs/HASH`: there the blobs of the same repository
    belong to the folder.
    """
    faults = list(_faults(directory))
    if faults:
        raise InputError(faults)


def _faults(directory: Path) -> Iterator[str]:
    home = directory.resolve()
    blobs = home.parents[1] / "blobs" if home.parent.name == "snapshots" else home
    for path in sorted(directory.rglob("*")):
        # unlike Path.resolve it bears links that lead to themselves
        there = Path(os.path.realpath(path))
        if not (there.is_relative_to(home) or there.is_relative_to(blobs)):
            yield f"{path}: a link out of the model's folder, to {there}; put a copy of the file into its place"
        elif path.exists() and not (path.is_file() or path.is_dir()):
            yield f"{path}: neither a file nor a folder; delete it, or copy the whole folder of the model again"
