"""The folder of a saved model: whether it may be written, and whether it fits what is here."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emovoz.cache import cache_directory
from emovoz.encoders.sources import download
from emovoz.errors import InputError
from emovoz.exported.card import is_export
from emovoz.features import FrozenEncoders
from emovoz.files import check_folder, clear_leftovers, folder_in_making, put_in_place
from emovoz.links import check_links
from emovoz.model import Head
from emovoz.model.saved import adapter_folder
from emovoz.progress import say
from emovoz.remote import fetch_folder, is_url, listing

CARD = "recognizer.json"
FORMAT = 1
CHECKSUMS = "checksums.json"
"""The hash of every other file of a model; models of earlier versions have none."""


def check_model_directory(target: Path) -> None:
    """Raise InputError unless a model may be written there: nothing, an empty folder, or an earlier model."""
    check_folder(target.resolve().parent)
    clear_leftovers(target.resolve())
    if target.is_dir() and any(target.iterdir()) and not (target / CARD).is_file():
        raise InputError(f"{target}: holds something that is no emovoz model; choose another folder for the model")
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: is a file; choose a folder for the model")


def folder_of(source: str) -> Path:
    """The folder of a model: the source itself, or a copy of what lies at that URL or the hub has by that id.

    Raises:
        InputError: no such folder, or a link in it that leads out of it.
    """
    folder = _found(source)
    # any other folder, which may be large, is told to be none
    if (folder / CARD).is_file():
        check_links(folder)
    return folder


def _found(source: str) -> Path:
    if is_url(source):
        return _fetched(source)
    if source and Path(source).is_dir():
        return Path(source)
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise InputError(f"no model {source!r}: give a folder that emovoz train has written, or a hub id")
    # adapters lie in folders of their own
    return download(source, left=())


def _fetched(url: str) -> Path:
    """The copy of a model at a URL, fetched again whenever something there has changed."""
    files = listing(url)
    state = hashlib.sha256("\n".join(f"{name} {file.state}" for name, file in files.items()).encode()).hexdigest()
    folder = cache_directory() / "models" / state[:16] / url.rstrip("/").rsplit("/", 1)[1]
    if not folder.is_dir():
        with folder_in_making(folder) as scratch:
            fetch_folder(url, scratch)
            put_in_place(scratch, folder)
    return folder


def read_card(directory: Path) -> dict[str, Any]:
    """What a model tells of itself.

    Raises:
        InputError: no model there, or one of another format.
    """
    try:
        card = json.loads((directory / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if is_export(directory):
            raise InputError(
                f"{directory}: an export, not the model itself; emovoz predict and emovoz.ExportedRecognizer take it"
            ) from error
        raise InputError(f"{directory}: not an emovoz model (no usable {CARD})") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputError(f"{directory}: a model format that this version of emovoz does not read; update emovoz")
    if not isinstance(card.get("encoders"), dict) or not isinstance(card.get("history"), list):
        raise InputError(f"{directory / CARD}: damaged; copy the whole folder of the model again")
    return card


def write_checksums(directory: Path) -> None:
    """Note the hash of every file of a model, which is then complete."""
    (directory / CHECKSUMS).write_text(json.dumps({"sha256": _hashes(directory)}, indent=1) + "\n", encoding="utf-8")


@contextmanager
def as_saved(directory: Path) -> Iterator[None]:
    """What is read of a model meanwhile is as it was saved, or InputError names the files that are not.

    A fault that is met in reading is told too, for it tells more.
    """
    try:
        yield
    except InputError as error:
        raise InputError([*error.faults, *_changed(directory)]) from error
    except Exception:
        _check_files(directory)
        raise
    _check_files(directory)


def _check_files(directory: Path) -> None:
    faults = _changed(directory)
    if faults:
        raise InputError(faults)


def _changed(directory: Path) -> list[str]:
    """What is said of each file that is not as it was saved."""
    path = directory / CHECKSUMS
    if not path.is_file():
        return []
    try:
        wanted = dict(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError):
        return [f"{path}: damaged; copy the whole folder of the model again"]
    found = _hashes(directory)
    return [
        f"{directory / name}: damaged, or changed since the model was saved; copy the whole folder of the model again "
        f"(who has changed it on purpose deletes {CHECKSUMS})"
        for name in wanted
        if found.get(name, wanted[name]) != wanted[name]
    ]


def _hashes(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != CHECKSUMS)
    return {path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def encoder_faults(directory: Path, trained: dict[str, Any], encoders: FrozenEncoders) -> Iterator[str]:
    """Where the encoders here are not those a model was trained with, a sentence each."""
    for name, branch in encoders.branches.items():
        wanted = trained.get(name, {})
        if wanted.get("fingerprint") == branch.encoder.fingerprint:
            continue
        precisions = {one: precision for precision, one in branch.encoder.kindred.items()}
        learned_in = precisions.get(str(wanted.get("fingerprint")))
        if learned_in:
            own = precisions[branch.encoder.fingerprint]
            say(
                f"{directory}: learned from {name} features computed in {learned_in}, and is given those of the same "
                f"encoder in {own}, which differ little; EMOVOZ_PRECISION={learned_in} computes them alike"
            )
        else:
            yield (
                f"{directory}: trained on {name} features of {wanted.get('model')} from {wanted.get('source')} "
                f"(fingerprint {str(wanted.get('fingerprint'))[:8]}), but {branch.model} from {branch.source} "
                f"gives others ({branch.encoder.fingerprint[:8]}); install or download the same encoder, "
                f"or train again with this one: emovoz train MANIFEST --recipe {directory}"
            )


def check_adapters(directory: Path, trained: dict[str, Any], head: Head) -> None:
    """Raise InputError where the adapters are not those that were tuned with this head."""
    strange = [name for name, layers in head.tuned_layers.items() if layers.digest != trained[name].get("adapter")]
    if strange:
        raise InputError(
            f"{directory / adapter_folder(name)}: not the adapters that were tuned with this head; copy the whole "
            "folder of the model again"
            for name in strange
        )
