"""Finished runs: a comparison that stops loses the running recipe at most, and is taken up exactly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, crossval
from emovoz.evaluation.cross_validation import CrossValidation

WORDS = {"joy": "qué alegría", "fear": "miedo no", "anger": "la casa"}
STOPS = {"learning_rate": 1e30, "gradient_clip": 0}
"""The loss is no number after a step."""


def corpus() -> Corpus:
    return Corpus(
        [
            Clip(f"s{i}-{label}", transcription=words, label=label, speaker=f"s{i}")
            for i in range(6)
            for label, words in WORDS.items()
        ]
    )


def recipe(tiny_bert: Path, name: str, **training: Any) -> Recipe:
    settings = {"epochs": 2, "keep": "last", "thresholds": True, "dev_fraction": 0.3, **training}
    return Recipe.checked({"name": name, "text": {"model": str(tiny_bert)}, "training": settings})


@pytest.fixture
def run(tiny_bert: Path, tmp_path: Path) -> Callable[..., CrossValidation]:
    """A comparison of the recipes `first` and `second`, its finished runs in `runs`."""

    def crossvalidated(second: dict[str, Any], *, clips: Corpus | None = None, **given: Any) -> CrossValidation:
        recipes = [recipe(tiny_bert, "first", **given.pop("first", {})), recipe(tiny_bert, "second", **second)]
        settings = {"folds": 2, "seeds": 2, "finished": tmp_path / "runs", **given}
        return crossval(clips or corpus(), recipes, store=FeatureStore(tmp_path / "store"), **settings)

    return crossvalidated


def plain(result: CrossValidation) -> Any:
    """Results and predictions as JSON, without how long they took."""
    results = json.loads(json.dumps(result.results))
    for of_recipe in results["runs"].values():
        del of_recipe["seconds"]
    return results, json.loads(json.dumps(result.predictions))


def test_a_stopped_comparison_is_taken_up_as_if_it_had_not_been(
    run: Callable[..., CrossValidation], tmp_path: Path, shown: Callable[[], str]
) -> None:
    with pytest.raises(InputError, match="the loss is"):
        run(STOPS)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["first.json"]
    kept = json.loads((tmp_path / "runs" / "first.json").read_text())
    assert kept["n"] == 18
    assert len(kept["predictions"]) == 36
    shown()
    resumed = run({}, resume=True)
    told = shown()
    assert "first: taken from" in told
    assert "cross-validating first" not in told
    assert "cross-validating second" in told
    assert plain(resumed) == plain(run({}, finished=None))


def test_finished_runs_are_taken_only_if_asked(run: Callable[..., CrossValidation], shown: Callable[[], str]) -> None:
    run({})
    shown()
    run({})
    assert "taken from" not in shown()
    run({}, resume=True)
    assert shown().count("taken from") == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"seeds": 1},
        {"folds": 3},
        {"group": "half"},
        {"first": {"epochs": 3}},
        {"clips": Corpus([*corpus().clips[:-1], Clip("s5-x", transcription="no", label="fear", speaker="s5")])},
        {"clips": Corpus(corpus().clips[::-1])},
    ],
)
def test_runs_of_something_else_are_not_taken(
    run: Callable[..., CrossValidation], shown: Callable[[], str], changed: dict[str, Any]
) -> None:
    halves = Corpus(
        [
            Clip(
                c.id,
                transcription=c.transcription,
                label=c.label,
                speaker=c.speaker,
                extra={"half": str(int(c.id[1]) // 3)},
            )
            for c in corpus()
        ]
    )
    run({}, clips=halves)
    shown()
    run({}, resume=True, **{"clips": halves, **changed})
    told = shown()
    assert "first is run again" in told
    assert "first: taken from" not in told


def test_a_damaged_file_is_run_again(
    run: Callable[..., CrossValidation], tmp_path: Path, shown: Callable[[], str]
) -> None:
    run({})
    path = tmp_path / "runs" / "first.json"
    path.write_text(path.read_text()[:500])
    shown()
    run({}, resume=True)
    assert "first is run again" in shown()
    assert json.loads(path.read_text())["n"] == 18
