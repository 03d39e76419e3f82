"""Runs of a comparison kept as soon as they are done, so that one that is stopped need not begin anew."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emovoz.corpus import Corpus
from emovoz.evaluation.protocol import Cut
from emovoz.evaluation.results import versions
from emovoz.features import FrozenEncoders, View
from emovoz.files import write_whole
from emovoz.progress import say
from emovoz.recipe import Recipe
from emovoz.training import what_decides


@dataclass(frozen=True)
class Run:
    """What cross-validating one recipe gave: the schema of results.json, and the rows of predictions.csv."""

    results: dict[str, Any]
    predictions: list[dict[str, Any]]


def mark_of(
    corpus: Corpus,
    recipe: Recipe,
    encoders: Sequence[FrozenEncoders],
    views: Sequence[Sequence[View]],
    cut: Cut,
    seeds: int,
) -> str:
    """A hash of all that a run depends on: clips, recipe, folds, seeds, versions, encoders and views."""
    belongs = {
        **what_decides(corpus, None, recipe, encoders, views),
        "recipe": recipe.model_dump(mode="json", exclude={"tracking"}),
        "folds": [[fold.test, fold.train, fold.groups] for fold in cut.folds],
        "seeds": seeds,
        "versions": versions(),
    }
    return hashlib.sha256(json.dumps(belongs, sort_keys=True).encode()).hexdigest()[:16]


def keep_run(folder: Path, run: Run, mark: str) -> None:
    """Write a run as one file, FOLDER/NAME.json: its results, and beside them its mark and its predictions."""
    whole = {**run.results, "mark": mark, "digest": _digest(run), "predictions": run.predictions}
    write_whole(_place(folder, run.results["recipe"]["name"]), json.dumps(whole, ensure_ascii=False) + "\n")


def kept_run(folder: Path, name: str, mark: str) -> Run | None:
    """The run that is kept there, None where there is none with this mark."""
    path = _place(folder, name)
    if not path.is_file():
        return None
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        found, digest, predictions = whole.pop("mark"), whole.pop("digest"), whole.pop("predictions")
        run = Run(whole, predictions)
    except (ValueError, KeyError, AttributeError):
        found = None
    if found != mark:
        say(f"{path} is not of these clips, settings, folds and versions: {name} is run again")
        return None
    if digest != _digest(run):
        say(f"{path} is damaged: {name} is run again")
        return None
    say(f"{name}: taken from {path}")
    return run


def _digest(run: Run) -> str:
    """A hash of what was found, as it is read again."""
    text = json.dumps([run.results, run.predictions])
    return hashlib.sha256(text.encode("utf-8", errors="backslashreplace")).hexdigest()


def _place(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"
