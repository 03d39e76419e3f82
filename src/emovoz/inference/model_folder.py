"""The folder of a saved model: whether it may be written, and whether it fits what is here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emovoz.encoders.sources import download
from emovoz.errors import InputError
from emovoz.exported.card import is_export
from emovoz.features import FrozenEncoders
from emovoz.files import check_folder
from emovoz.model import EmotionHead
from emovoz.model.tuned import adapter_folder, tuned_layers
from emovoz.progress import say

CARD = "recognizer.json"
FORMAT = 1


def check_model_directory(target: Path) -> None:
    """Raise InputError unless a model may be written there: nothing, an empty folder, or an earlier model."""
    check_folder(target.resolve().parent)
    if target.is_dir() and any(target.iterdir()) and not (target / CARD).is_file():
        raise InputError(f"{target}: holds something that is no emovoz model; choose another folder for the model")
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: is a file; choose a folder for the model")


def folder_of(source: str) -> Path:
    """The folder of a model: the source itself, or what the hub has by that id."""
    if source and Path(source).is_dir():
        return Path(source)
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise InputError(f"no model {source!r}: give a folder that emovoz train has written, or a hub id")
    return download(source)


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


def check_adapters(directory: Path, trained: dict[str, Any], head: EmotionHead) -> None:
    """Raise InputError where the adapters are not those that were tuned with this head."""
    strange = [name for name, layers in tuned_layers(head).items() if layers.digest != trained[name].get("adapter")]
    if strange:
        raise InputError(
            f"{directory / adapter_folder(name)}: not the adapters that were tuned with this head; copy the whole "
            "folder of the model again"
            for name in strange
        )
