"""Checkpoints: what lets a stopped training go on where it was. They are local, and no part of a saved model.

A checkpoint is a numbered folder that is complete in itself: what training it belongs to, and in a folder a fit the
state of every fit so far. It is written under a temporary name and renamed; the highest number counts.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emovoz import processes
from emovoz.errors import InputError
from emovoz.files import check_folder, write_faults
from emovoz.progress import say

SECONDS = 20.0
"""Between two checkpoints of a running fit, at least."""

_CONTENTS = "checkpoint.json"
_SCRATCH = ".making-"


@dataclass(frozen=True)
class Checkpoint:
    """Where the state of a training is kept while it runs; made by `open_checkpoint`.

    Attributes:
        folder: of the checkpoints.
        belongs: what decides the result of the training; a checkpoint serves no other.
        seconds: between two checkpoints of a running fit, at least.
        earlier: number of the last checkpoint that must not be used.
        fit: whose state `state` and `writing` mean.
    """

    folder: Path
    belongs: Mapping[str, Any]
    seconds: float = SECONDS
    earlier: int = 0
    fit: str = "model"

    def of(self, fit: str) -> "Checkpoint":
        """The same for another fit of the training."""
        return replace(self, fit=fit)

    def state(self) -> Path | None:
        """The folder that holds the newest state of the fit; None where there is none."""
        newest = _newest(self.folder, self.earlier)
        return newest / self.fit if newest and (newest / self.fit).is_dir() else None

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for what a fit writes on its way to a state; what a kill leaves goes with the next training."""
        with write_faults(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            scratch = tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self.folder, ignore_cleanup_errors=True)
        with scratch as folder:
            yield Path(folder)

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """An empty folder for the state of the fit; once the block ends, it and the other fits are the checkpoint."""
        with write_faults(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.folder))
            try:
                newest = _newest(self.folder, self.earlier)
                for other in newest.iterdir() if newest else ():
                    if other.is_dir() and other.name != self.fit:
                        shutil.copytree(other, scratch / other.name)
                (scratch / self.fit).mkdir()
                yield scratch / self.fit
                contents = {"belongs": self.belongs, "files": _digests(scratch)}
                with (scratch / _CONTENTS).open("w", encoding="utf-8") as file:
                    json.dump(contents, file, indent=2, ensure_ascii=False)
                    file.flush()
                    os.fsync(file.fileno())
                scratch.chmod(0o755)
                old = _numbered(self.folder)
                scratch.replace(self.folder / f"{max(old, default=0) + 1:06d}")
                for path in old.values():
                    _discard(path)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)


def open_checkpoint(folder: Path, belongs: Mapping[str, Any], *, resume: bool, seconds: float = SECONDS) -> Checkpoint:
    """Begin a training that keeps checkpoints; it says where it begins.

    Args:
        folder: of the checkpoints; made with the first one.
        belongs: what decides the result: plain values, such as settings and fingerprints.
        resume: go on from the checkpoint that is there; without it, that one goes once there is a new one.
        seconds: between two checkpoints of a running fit, at least.

    Raises:
        InputError: the folder holds something else, or the checkpoint is damaged or belongs to another training.
    """
    _check_place(folder)
    # of several processes the first one writes, perhaps still
    for leftover in folder.glob(f"{_SCRATCH}*") if processes.is_first() else ():
        shutil.rmtree(leftover, ignore_errors=True)
    newest = _newest(folder)
    fault = _fault(newest, belongs) if newest else None
    if resume and fault:
        raise InputError(fault)
    if resume:
        say(f"going on from the checkpoint in {folder}" if newest else f"no checkpoint in {folder}: from the beginning")
    elif newest and not fault:
        say(f"{folder}: a checkpoint of this training; --resume would go on from it, without it everything begins anew")
    elif newest:
        say(f"{folder}: a checkpoint of another training; it goes as soon as this one has its first")
    return Checkpoint(folder, belongs, seconds, earlier=int(newest.name) if newest and not resume else 0)


def checkpoint_beside(model: Path) -> Path:
    """Where the command line keeps the checkpoints of a model.

    >>> checkpoint_beside(Path("models/mine")).name
    'mine.checkpoint'
    """
    target = model.resolve()
    return target.with_name(f"{target.name}.checkpoint")


def has_checkpoint(folder: Path) -> bool:
    """Whether a training can go on from there."""
    return _newest(folder) is not None


def remove_checkpoint(folder: Path) -> None:
    """Delete the checkpoints in a folder, and the folder once it is empty."""
    for path in [*_numbered(folder).values(), *folder.glob(f"{_SCRATCH}*")]:
        _discard(path)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _numbered(folder: Path) -> dict[int, Path]:
    return {int(path.name): path for path in (folder.glob("[0-9]" * 6) if folder.is_dir() else ())}


def _newest(folder: Path, earlier: int = 0) -> Path | None:
    whole = {number: path for number, path in _numbered(folder).items() if (path / _CONTENTS).is_file()}
    last = max(whole, default=0)
    return whole[last] if last > earlier else None


def _discard(path: Path) -> None:
    # without its table of contents it counts no more, should the rest outlast a kill
    (path / _CONTENTS).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    """The hash of every file, once it is on the disk for certain."""
    digests = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _check_place(folder: Path) -> None:
    check_folder(folder)
    strange = [path for path in folder.glob("[!.]*") if not (path.is_dir() and path.name.isdecimal())]
    if strange:
        raise InputError(
            f"{folder}: checkpoints belong there, but it holds {strange[0].name}; move it, or choose another"
        )


def _fault(checkpoint: Path, belongs: Mapping[str, Any]) -> str | None:
    """Why a training cannot go on from a checkpoint; None where it can."""
    afresh = "leave --resume out to start afresh"
    try:
        contents = json.loads((checkpoint / _CONTENTS).read_text(encoding="utf-8"))
        there, files = contents["belongs"], contents["files"]
    except (ValueError, KeyError, TypeError):
        return f"{checkpoint}: damaged ({_CONTENTS}); {afresh}"
    found = {name: digest for name, digest in _digests(checkpoint).items() if name != _CONTENTS}
    damaged = sorted(name for name in {*files, *found} if files.get(name) != found.get(name))
    if damaged:
        return f"{checkpoint}: damaged ({', '.join(damaged)}); {afresh}"
    differences = list(_differences(there, json.loads(json.dumps(belongs))))
    if differences:
        return (
            f"{checkpoint.parent}: the checkpoint belongs to another training: {'; '.join(differences)}; "
            f"give the same again, or another folder for the model, or {afresh}"
        )
    return None


def _differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(key for key in here if key not in there)]:
            yield from _differences(there.get(key), here.get(key), f"{name}.{key}".lstrip("."))
    elif there != here:
        yield f"{name} was {there}, is {here}"
