"""crossval: recipes compared on the same folds, each clip scored by heads that never saw its group."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emovoz.corpus import Corpus, grouped_folds, stratified_folds
from emovoz.errors import InputError
from emovoz.evaluation.breakdown import layer_weights, named_weights
from emovoz.evaluation.results import macro_f1, prediction_rows, results_of, save_results
from emovoz.features import FeatureStore, View, default_store
from emovoz.inference.thresholds import EVEN, decisions, threshold_row
from emovoz.progress import progress, say
from emovoz.recipe import Recipe
from emovoz.training import (
    Work,
    check_labels,
    check_ready,
    encoded_candidates,
    encoders_of,
    train_head,
    views_of_each,
)

USUAL_FOLDS = 5


@dataclass(frozen=True)
class CrossValidation:
    """Results (the schema of results.json; `{"runs": ...}` for several recipes) and predictions by recipe."""

    results: dict[str, Any]
    predictions: dict[str, list[dict[str, Any]]]

    def save(self, directory: Path | str, title: str = "emovoz cross-validation") -> None:
        """Write results.json, report.html and predictions.csv (one a recipe where there are several)."""
        several = len(self.predictions) > 1
        files = {
            f"predictions-{name}.csv" if several else "predictions.csv": rows for name, rows in self.predictions.items()
        }
        save_results(Path(directory), self.results, files, title)


@dataclass(frozen=True)
class _Folds:
    """Test positions of each fold, and what divides them."""

    tests: list[list[int]]
    column: str | None
    groups: list[list[str]]


def crossval(
    corpus: Corpus,
    recipes: Recipe | Sequence[Recipe],
    *,
    folds: int | None = None,
    group: str | None = None,
    seeds: int = 3,
    store: FeatureStore | None = None,
    workers: int = 2,
) -> CrossValidation:
    """Cross-validate one recipe or compare several.

    Args:
        corpus: labelled clips.
        recipes: their names must differ.
        folds: how many; by default 5, or fewer where there are fewer groups or clips of a label.
        group: column whose values never stand on both sides; by default the speaker, where every clip has one.
        seeds: runs, with seeds counted up from the recipe's.
        store: where features are kept; by default in the user's cache.
        workers: threads that decode audio.

    Raises:
        InputError: clips that cannot be used, or folds that cannot be made.

    >>> recipe = Recipe.load("text", ["training.epochs=2", "model.hidden_layers=0"])
    >>> results = crossval(corpus, recipe, folds=4, seeds=1).results
    >>> results["folds"][0]["groups"], results["n"]
    (['voice01', 'voice05'], 192)
    """
    several = [recipes] if isinstance(recipes, Recipe) else list(recipes)
    names = [recipe.name for recipe in several]
    if len(set(names)) < len(names):
        raise InputError(
            f"recipes to compare need different names; given: {', '.join(names)}; "
            "each takes its setting `name`, or else the name of its file"
        )
    check_labels(corpus)
    for recipe in several:
        check_ready(recipe, dev=False)
    views = {recipe.name: views_of_each(recipe) for recipe in several}
    cut = _cut(corpus, folds, group)
    # before anything is encoded, so that the last does not fail once the others have been trained; the first is checked
    # when it runs, by the encoders that are loaded for it then
    for recipe in several[1:]:
        encoders_of(recipe, corpus.labels)
    store = store or FeatureStore(default_store())
    runs, predictions = {}, {}
    for recipe in several:
        runs[recipe.name], predictions[recipe.name] = _run(
            corpus, recipe, views[recipe.name], cut, seeds, store, workers
        )
    results = {"runs": runs} if len(several) > 1 else runs[names[0]]
    return CrossValidation(results, predictions)


def _cut(corpus: Corpus, folds: int | None, group: str | None) -> _Folds:
    nameless = sum(clip.speaker is None for clip in corpus)
    if group is None and not nameless and len({clip.speaker for clip in corpus}) > 1:
        group = "speaker"
        say("folds by speaker: no voice is in training and test at once")
    if group is None:
        why = f" ({nameless} of {len(corpus)} clips name no speaker)" if nameless else ""
        say(f"folds stratified by label{why}; name a column with --group to keep its values apart")
        most = max(Counter(clip.label for clip in corpus).values())
        tests = stratified_folds(corpus, max(2, min(USUAL_FOLDS, most)) if folds is None else folds)
        return _Folds(tests, None, [[] for _ in tests])
    values = corpus.values(group)
    tests = grouped_folds(corpus, group, min(USUAL_FOLDS, len(set(values))) if folds is None else folds)
    return _Folds(tests, group, [sorted({values[i] for i in test}) for test in tests])


def _run(
    corpus: Corpus,
    recipe: Recipe,
    views: Sequence[Sequence[View]],
    cut: _Folds,
    seeds: int,
    store: FeatureStore,
    workers: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    labels = corpus.labels
    encoders = encoders_of(recipe, labels)
    candidates, extracting = encoded_candidates(recipe, encoders, views, corpus, store, workers=workers)
    used = [recipe.training.seed + i for i in range(seeds)]
    scores = np.zeros((seeds, len(corpus), len(labels)))
    thresholds = np.full_like(scores, EVEN)
    history: list[Mapping[str, Any]] = []
    weights: list[Mapping[str, Mapping[int, float]]] = []
    training = evaluating = 0.0
    with progress(f"cross-validating {recipe.name}", seeds * len(cut.tests)) as advance:
        for run, seed in enumerate(used):
            for fold, test in enumerate(cut.tests):
                started = time.perf_counter()
                rest = sorted(set(range(len(corpus))) - set(test))
                trained = train_head(
                    Work(corpus.select(rest), labels, group=cut.column or "speaker", part=f"fold{fold}"),
                    [candidate.select(rest).with_seed(seed) for candidate in candidates],
                )
                fitted = time.perf_counter()
                chosen = candidates[trained.chosen]
                scores[run, test] = trained.scored(chosen.examples.select(test))
                thresholds[run, test] = threshold_row(trained.thresholds, labels)
                history.append({"fold": fold, "seed": seed, **trained.told()})
                weights.append(named_weights(trained.head, chosen.encoders))
                training += fitted - started
                evaluating += time.perf_counter() - fitted
                advance(1)
    results = results_of(
        corpus,
        scores,
        labels,
        recipe,
        protocol={
            "name": "leave-groups-out" if cut.column else "stratified k-fold",
            "group": cut.column,
            "folds": len(cut.tests),
            "seeds": seeds,
            "interval": "bootstrap over clips",
        },
        seeds=used,
        folds=_fold_scores(corpus, decisions(scores, thresholds), labels, cut),
        layers=layer_weights(weights),
        history=history,
        seconds={"extract": extracting, "train": training, "evaluate": evaluating},
        thresholds=thresholds,
    )
    return results, _rows(corpus, scores, thresholds, labels, used, cut)


def _fold_scores(corpus: Corpus, predicted: np.ndarray, labels: Sequence[str], cut: _Folds) -> list[dict[str, Any]]:
    truth = np.array([labels.index(label) for label in corpus.values("label")])
    return [
        {
            "fold": fold,
            "groups": groups,
            "n": len(test),
            "macro_f1": float(np.mean([macro_f1(truth[test], run[test], len(labels)) for run in predicted])),
        }
        for fold, (test, groups) in enumerate(zip(cut.tests, cut.groups, strict=True))
    ]


def _rows(
    corpus: Corpus,
    scores: np.ndarray,
    thresholds: np.ndarray,
    labels: Sequence[str],
    seeds: Sequence[int],
    cut: _Folds,
) -> list[dict[str, Any]]:
    fold_of = [0] * len(corpus)
    for fold, test in enumerate(cut.tests):
        for i in test:
            fold_of[i] = fold
    return [
        row
        for seed, run, limits in zip(seeds, scores, thresholds, strict=True)
        for row in prediction_rows(corpus, run, labels, limits, seed=seed, fold=fold_of)
    ]
