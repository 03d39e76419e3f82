"""Recipes compared in pairs: on the same clips, the same resamples, clip by clip."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from emovoz.evaluation.metrics import UNSCORED, bootstrap, interval, mean_scores, units_of

BASELINES = ("baseline-", "bsc-upc-", "published-")
"""How the names of recipes begin that others are measured against: plain ones, and the published system's."""


def is_baseline(name: str) -> bool:
    """Whether a recipe of this name is there to be beaten.

    >>> is_baseline("baseline-logreg"), is_baseline("bsc-upc-3"), is_baseline("speech")
    (True, True, False)
    """
    return name.startswith(BASELINES)


def comparisons(
    predictions: Mapping[str, Sequence[Mapping[str, Any]]],
    labels: Sequence[str],
    *,
    speakers: Sequence[str | None] = (),
    resamples: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Every pair of recipes, in their order: the difference in macro-F1, and who alone is right on how many clips.

    Macro-F1 is averaged over the runs. The intervals are those of a bootstrap of the difference: both recipes are
    scored on the same resamples, all runs of a clip together (Efron & Tibshirani 1993). McNemar's test (1947), exact
    and two-sided, asks of the clips on which only one is right whether both are right equally often; the label that
    counts there is the one that most runs decide for.

    Args:
        predictions: rows of predictions by recipe, all of the same clips and runs in the same order; where `predicted`
            is empty, the clip is not scored in that run, nor is it compared.
        labels: what was told apart.
        speakers: of each clip; none where there is to be no interval over speakers.
        resamples, seed: of the bootstrap.
    """
    from scipy.stats import binomtest

    decided = np.array([_decided(rows, labels) for rows in predictions.values()])
    # what one recipe has heard to adapt to its speaker is not asked of the others either
    decided[:, (decided == UNSCORED).any(0)] = UNSCORED
    truth = np.array([labels.index(row["label"]) for row in next(iter(predictions.values()))[: decided.shape[2]]])
    asked = (decided != UNSCORED).any((0, 1))
    right = np.array([majority(rows, labels) == truth for rows in predictions.values()])[:, asked]
    truth, decided = truth[asked], decided[:, :, asked]
    speakers = [speaker for speaker, kept in zip(speakers, asked, strict=False) if kept]
    whole = np.array([mean_scores(truth, runs, len(labels))["macro_f1"] for runs in decided])
    draws = {
        key: None if units is None else bootstrap(truth, decided, len(labels), units, resamples, seed)["macro_f1"]
        for key, units in units_of(len(truth), speakers).items()
    }
    pairs = []
    for (i, a), (j, b) in combinations(enumerate(predictions), 2):
        intervals = {key: None if of is None else interval(of[:, i] - of[:, j]) for key, of in draws.items()}
        only_a, only_b = int((right[i] & ~right[j]).sum()), int((right[j] & ~right[i]).sum())
        p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
        pairs.append(
            {
                "a": a,
                "b": b,
                "difference": {"value": float(whole[i] - whole[j]), **intervals},
                "mcnemar": {"a_only_right": only_a, "b_only_right": only_b, "p": p},
            }
        )
    return pairs


def majority(rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> np.ndarray:
    """The label [clips] that most runs decide for; of labels with as many, the one of the higher mean probability.

    Args:
        rows: of predictions, all clips of one run after those of another.
        labels: what was told apart.
    """
    decided = _decided(rows, labels)
    votes = (decided[..., None] == np.arange(len(labels))).sum(0)
    scores = _by_run([[row[f"score_{label}"] or 0.0 for label in labels] for row in rows], rows).sum(0)
    runs = np.maximum((decided != UNSCORED).sum(0), 1)
    # less than one vote
    return (votes + scores / runs[:, None] / 2).argmax(1)


def _decided(rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> np.ndarray:
    """Class indices [runs, clips]; -1 where a clip is not scored."""
    index = {"": UNSCORED, **{label: i for i, label in enumerate(labels)}}
    return _by_run([index[row["predicted"]] for row in rows], rows)


def _by_run(values: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Values of rows as [runs, clips, ...]."""
    array = np.array(values)
    runs = len({row["seed"] for row in rows})
    return array.reshape(runs, -1, *array.shape[1:])
