"""crossval: recipes compared on the same folds, each clip scored by heads that never saw its group."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emovoz.corpus import Clip, Corpus, Fold
from emovoz.corpus.enrolment import enrolment_of, scored_with
from emovoz.errors import InputError
from emovoz.evaluation.breakdown import layer_weights, named_weights
from emovoz.evaluation.comparison import comparisons
from emovoz.evaluation.finished import Run, keep_run, kept_run, mark_of
from emovoz.evaluation.metrics import UNSCORED, mean_scores
from emovoz.evaluation.mistakes import Mistake, ToldMistake, mistakes_of, surest
from emovoz.evaluation.parts import FoldResult, KeptFolds
from emovoz.evaluation.protocol import Cut, Folds, cut_of, tell_cost
from emovoz.evaluation.results import decided_where_scored, prediction_rows, results_of, save_results
from emovoz.explanation import Judge
from emovoz.features import FeatureStore, FrozenEncoders, View, default_store
from emovoz.inference.adaptation import adaptation_told, adapted_by_speaker
from emovoz.inference.thresholds import EVEN, threshold_row
from emovoz.progress import progress
from emovoz.recipe import Recipe
from emovoz.training import (
    Candidate,
    Trained,
    Work,
    check_heads,
    check_labels,
    check_ready,
    encoded_candidates,
    train_head,
    views_of_each,
    work_through,
)


@dataclass(frozen=True)
class CrossValidation:
    """Results (the schema of results.json; several recipes: `runs` and `comparisons`) and predictions by recipe.

    The clips are for the players of the report.
    """

    results: dict[str, Any]
    predictions: dict[str, list[dict[str, Any]]]
    clips: Sequence[Clip] = ()

    def save(self, directory: Path | str, title: str = "emovoz cross-validation") -> None:
        """Write results.json, report.html and predictions.csv (one a recipe where there are several)."""
        several = len(self.predictions) > 1
        files = {
            f"predictions-{name}.csv" if several else "predictions.csv": rows for name, rows in self.predictions.items()
        }
        save_results(Path(directory), self.results, files, title, self.clips)


def crossval(
    corpus: Corpus,
    recipes: Recipe | Sequence[Recipe],
    *,
    folds: Folds = None,
    group: str | Sequence[str] | None = None,
    seeds: int = 3,
    store: FeatureStore | None = None,
    workers: int = 2,
    finished: Path | str | None = None,
    resume: bool = False,
) -> CrossValidation:
    """Cross-validate one recipe or compare several; clips drawn to adapt to their speaker are not scored.

    Args:
        corpus: labelled clips.
        recipes: their names must differ.
        folds: how many, or `all`: as many as there are groups; by default 5, or fewer where there are fewer groups or
            clips of a label. Of several columns, one for each (`7,all`), or one for the first.
        group: column whose values never stand on both sides; by default the speaker, where every clip has one. Of
            several (`speaker,sentence`), test clips share a value of none with those trained on.
        seeds: runs, with seeds counted up from the recipe's.
        store: where features are kept; by default in the user's cache.
        workers: threads that decode audio.
        finished: folder where the run of each recipe is written as soon as it is done; by default nowhere.
        resume: take from there the runs that these clips, recipes, folds and seeds have given.

    Raises:
        InputError: clips that cannot be used, or folds that cannot be made.

    >>> recipe = Recipe.load("text")
    >>> results = crossval(corpus, recipe, folds=4, seeds=1).results
    >>> results["folds"][0]["groups"], results["n"]
    (['voice01', 'voice05'], 192)
    """
    several, views, cut, encoders_for = _prepared(corpus, recipes, folds, group)
    names = [recipe.name for recipe in several]
    tell_cost(cut, seeds, len(several))
    store = store or FeatureStore(default_store())
    runs: dict[str, Run] = {}
    for recipe in several:
        encoders = encoders_for(recipe)
        shown = views[recipe.name]
        mark = mark_of(corpus, recipe, encoders, shown, cut, seeds) if finished else ""
        kept = KeptFolds(Path(finished), recipe.name, mark) if finished and resume else None
        run = kept_run(Path(finished), recipe.name, mark) if finished and resume else None
        if run is None:
            run = _run(corpus, recipe, encoders, shown, cut, seeds, store, workers, kept)
            if finished:
                keep_run(Path(finished), run, mark)
        if kept:
            kept.remove()
        runs[recipe.name] = run
    predictions = {name: [row for row in run.predictions if row["predicted"]] for name, run in runs.items()}
    if len(several) == 1:
        return CrossValidation(runs[names[0]].results, predictions, corpus.clips)
    pairs = comparisons(
        {name: run.predictions for name, run in runs.items()},
        corpus.labels,
        speakers=[clip.speaker for clip in corpus],
        resamples=several[0].evaluation.bootstrap,
        seed=several[0].evaluation.seed,
    )
    return CrossValidation(
        {"runs": {name: run.results for name, run in runs.items()}, "comparisons": pairs}, predictions, corpus.clips
    )


def crossval_part(
    corpus: Corpus,
    recipes: Recipe | Sequence[Recipe],
    part: int,
    of: int,
    *,
    finished: Path | str,
    folds: Folds = None,
    group: str | Sequence[str] | None = None,
    seeds: int = 3,
    store: FeatureStore | None = None,
    workers: int = 2,
) -> int:
    """Compute a part of the fits of a cross-validation; `crossval` with `resume` takes them and does what is left.

    Args:
        part: which, from 1.
        of: how many parts there are; of all fits (recipes x seeds x folds) every so-manieth is in the part.
        finished: folder where each is written as soon as it is done, and taken from where it has been done before.
        corpus, recipes, folds, group, seeds, store, workers: as in `crossval`.

    Returns:
        how many fits are in the part.

    Raises:
        InputError: as `crossval` does.
    """
    several, views, cut, encoders_for = _prepared(corpus, recipes, folds, group)
    store = store or FeatureStore(default_store())
    fits = [(number, turn) for number in range(len(several)) for turn in range(seeds * len(cut.folds))][part - 1 :: of]
    for number in dict.fromkeys(number for number, _ in fits):
        recipe = several[number]
        encoders, shown = encoders_for(recipe), views[recipe.name]
        kept = KeptFolds(Path(finished), recipe.name, mark_of(corpus, recipe, encoders, shown, cut, seeds))
        left = [turn for one, turn in fits if one == number and kept.read(turn) is None]
        if left:
            candidates, _ = encoded_candidates(recipe, encoders, shown, corpus, store, workers=workers)
            with progress(f"cross-validating {recipe.name}", len(left)) as advance:
                for turn, result in zip(left, _fold_results(left, corpus, recipe, candidates, cut), strict=True):
                    kept.write(turn, result, store)
                    advance(1)
    return len(fits)


def fits_of(
    corpus: Corpus, recipes: Sequence[Recipe], folds: Folds, group: str | Sequence[str] | None, seeds: int
) -> int:
    """How many fits a cross-validation takes; arguments and errors as of `crossval`, nothing is loaded."""
    check_labels(corpus)
    return len(recipes) * seeds * len(cut_of(corpus, folds, group).folds)


def _prepared(
    corpus: Corpus, recipes: Recipe | Sequence[Recipe], folds: Folds, group: str | Sequence[str] | None
) -> tuple[list[Recipe], dict[str, list[Sequence[View]]], Cut, Callable[[Recipe], list[FrozenEncoders]]]:
    """The recipes, the views of each, the folds, and what loads a recipe's encoders; arguments as in `crossval`."""
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
        enrolment_of(corpus, recipe.training.adapt, recipe.training.seed)
    views = {recipe.name: views_of_each(recipe) for recipe in several}
    cut = cut_of(corpus, folds, group)
    encoders_for = _encoders_in_turn(corpus.labels)
    # before anything is encoded, so that the last does not fail once the others have been trained; the first last, so
    # that its encoders are there when it runs
    for recipe in reversed(several):
        encoders_for(recipe)
    return several, views, cut, encoders_for


def _encoders_in_turn(labels: tuple[str, ...]) -> Callable[[Recipe], list[FrozenEncoders]]:
    """What loads the encoders of a recipe's candidates and checks their heads; recipes in a row may share encoders."""
    held: dict[str, list[FrozenEncoders]] = {}

    def encoders_for(recipe: Recipe) -> list[FrozenEncoders]:
        wanted = recipe.model_dump_json(include={"speech", "text", "ngrams", "features", "selection"})
        if wanted not in held:
            # never those of two recipes at once: they may take gigabytes
            held.clear()
            held[wanted] = FrozenEncoders.of_each(recipe.candidates())
        check_heads(recipe, held[wanted], labels)
        return held[wanted]

    return encoders_for


def _run(
    corpus: Corpus,
    recipe: Recipe,
    encoders: Sequence[FrozenEncoders],
    views: Sequence[Sequence[View]],
    cut: Cut,
    seeds: int,
    store: FeatureStore,
    workers: int,
    kept: KeptFolds | None,
) -> Run:
    labels = corpus.labels
    turns = range(seeds * len(cut.folds))
    known = {turn: found for turn in turns if kept and (found := kept.read(turn))}
    left = [turn for turn in turns if turn not in known]
    candidates, extracting = (
        encoded_candidates(recipe, encoders, views, corpus, store, workers=workers) if left else ([], 0.0)
    )
    computed = _fold_results(left, corpus, recipe, candidates, cut) if left else iter(())
    used = [recipe.training.seed + i for i in range(seeds)]
    scores = np.zeros((seeds, len(corpus), len(labels)))
    thresholds = np.full_like(scores, EVEN)
    done: list[FoldResult] = []
    mistakes: list[Mistake | ToldMistake] = []
    started = time.perf_counter()
    with progress(f"cross-validating {recipe.name}", len(turns)) as advance:
        for turn in turns:
            result = known.get(turn) or next(computed)
            run, number = divmod(turn, len(cut.folds))
            scores[run, cut.folds[number].test] = result.scores
            thresholds[run, cut.folds[number].test] = result.thresholds
            # of the heads, only those that made the surest mistakes stay in memory
            mistakes = surest([*mistakes, *result.mistakes])
            done.append(replace(result, mistakes=()))
            advance(1)
    for run, seed in enumerate(used):
        enrolment = enrolment_of(corpus, recipe.training.adapt, seed)
        scores[run, ~scored_with(len(corpus), recipe.training.adapt, enrolment)] = np.nan
    seconds = np.sum([result.seconds for result in done], axis=0)
    # folds that are fitted at the same time share it; those that were kept were fitted before
    lasted = sum(result.seconds.sum() for result in known.values()) + time.perf_counter() - started
    training, evaluating = (seconds / seconds.sum() * lasted).tolist()
    results = results_of(
        corpus,
        scores,
        labels,
        recipe,
        protocol={**cut.told(recipe, seeds), **adaptation_told(recipe.training.adapt)},
        seeds=used,
        folds=_fold_rows(corpus, decided_where_scored(scores, thresholds), labels, cut),
        layers=layer_weights([result.weights for result in done]),
        history=[result.told for result in done],
        seconds={"extract": extracting, "train": training, "evaluate": evaluating},
        thresholds=thresholds,
    )
    results["mistakes"] = [one.told(store) for one in mistakes]
    return Run(results, _rows(corpus, scores, thresholds, labels, used, cut))


def _fold_results(
    turns: Sequence[int], corpus: Corpus, recipe: Recipe, candidates: Sequence[Candidate], cut: Cut
) -> Iterator[FoldResult]:
    """What each turn gives: turns go through the folds with the first seed, then with the next, and so on."""
    labels = corpus.labels
    speakers = [clip.speaker or "" for clip in corpus]

    def of_fold(turn: int) -> FoldResult:
        run, number = divmod(turn, len(cut.folds))
        seed, fold = recipe.training.seed + run, cut.folds[number]
        enrolment = enrolment_of(corpus, recipe.training.adapt, seed)
        started = time.perf_counter()
        trained = train_head(
            Work(corpus.select(fold.train), labels, group=cut.group, part=f"fold{number}"),
            [candidate.select(fold.train).with_seed(seed) for candidate in candidates],
        )
        fitted = time.perf_counter()
        chosen = candidates[trained.chosen]
        test = chosen.examples.select(fold.test)
        if enrolment:
            voices = adapted_by_speaker(trained.head, chosen.examples.features, speakers, enrolment, fold.test)
            test = replace(test, features=voices)
        result = FoldResult(
            trained.scored(test),
            threshold_row(trained.thresholds, labels),
            {"fold": number, "seed": seed, **trained.told()},
            named_weights(trained.head, chosen.encoders),
            np.array([fitted - started, time.perf_counter() - fitted]),
        )
        return result if run else replace(result, mistakes=mistakes_in(fold, enrolment, result, trained, chosen))

    def mistakes_in(
        fold: Fold, enrolment: dict[str, list[int]], result: FoldResult, trained: Trained, chosen: Candidate
    ) -> list[Mistake]:
        def judge_for(clip: Clip) -> Judge:
            voice = [chosen.examples.features[i] for i in enrolment.get(clip.speaker or "", ())]
            return Judge.of(trained.head, chosen.encoders, trained.temperature, voice)

        decided = decided_where_scored(result.scores, result.thresholds)
        counted = scored_with(len(corpus), recipe.training.adapt, enrolment)[fold.test]
        clips = [corpus.clips[i] for i in fold.test]
        return mistakes_of(judge_for, labels, clips, result.scores, np.where(counted, decided, UNSCORED))

    return work_through(of_fold, turns, candidates)


def _fold_rows(corpus: Corpus, predicted: np.ndarray, labels: Sequence[str], cut: Cut) -> list[dict[str, Any]]:
    truth = np.array([labels.index(label) for label in corpus.values("label")])
    return [
        {
            "fold": number,
            # of one column just its groups
            "groups": fold.groups if len(fold.groups) > 1 else next(iter(fold.groups.values()), []),
            "n": round((predicted[:, fold.test] != UNSCORED).sum(1).mean()),
            "training_clips": len(fold.train),
            **mean_scores(truth[fold.test], predicted[:, fold.test], len(labels)),
        }
        for number, fold in enumerate(cut.folds)
    ]


def _rows(
    corpus: Corpus,
    scores: np.ndarray,
    thresholds: np.ndarray,
    labels: Sequence[str],
    seeds: Sequence[int],
    cut: Cut,
) -> list[dict[str, Any]]:
    fold_of = [0] * len(corpus)
    for number, fold in enumerate(cut.folds):
        for i in fold.test:
            fold_of[i] = number
    return [
        row
        for seed, run, limits in zip(seeds, scores, thresholds, strict=True)
        for row in prediction_rows(corpus, run, labels, limits, seed=seed, fold=fold_of)
    ]
