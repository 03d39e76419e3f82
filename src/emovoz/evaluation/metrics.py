"""Scores with intervals.

Macro-F1 and UAR average over the classes that occur, in truth or among the predictions (for UAR: in truth), as
scikit-learn does by default. Intervals are percentile bootstrap (Efron 1979), over clips or over whole speakers.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

SCORES = ("macro_f1", "uar", "accuracy")
ECE_BINS = 15
FEWEST_SPEAKERS = 5
"""For an interval over speakers: resamples of fewer are too few different ones."""
UNSCORED = -1
"""In the place of a predicted class: the clip is not scored in this run, as it was heard to adapt to its speaker."""
PORTION = 100
"""Resamples weighed at a time."""


def score(
    truth: np.ndarray,
    predicted: np.ndarray,
    labels: Sequence[str],
    *,
    speakers: Sequence[str | None] = (),
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Macro-F1, UAR and accuracy with 95 % intervals, scores per class and the confusion matrix.

    Several runs over the same clips (seeds) are averaged; a resample takes all runs of a clip along.

    Args:
        truth: class indices [clips].
        predicted: class indices [runs, clips].
        labels: names of the classes.
        speakers: of each clip; none where there is to be no interval over speakers.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    classes = len(labels)
    matrices = confusions(truth, predicted, classes, np.ones((1, len(truth))))[0]
    result: dict[str, Any] = {name: {"value": float(of[0])} for name, of in summaries(matrices[None]).items()}
    for key, units in units_of(len(truth), speakers).items():
        draws = None if units is None else bootstrap(truth, predicted[None], classes, units, resamples, seed)
        for name in list(result):
            result[name][key] = None if draws is None else interval(draws[name][:, 0])
    result["per_class"] = _per_class(matrices, labels)
    result["confusion"] = matrices.mean(0).tolist()
    return result


def mean_scores(truth: np.ndarray, predicted: np.ndarray, classes: int) -> dict[str, float]:
    """Macro-F1, UAR and accuracy, means over the runs.

    Args:
        truth: class indices [clips].
        predicted: class indices [runs, clips].
        classes: how many there are.
    """
    scores = summaries(confusions(truth, predicted, classes, np.ones((1, len(truth)))))
    return {name: float(scores[name][0]) for name in SCORES}


def units_of(clips: int, speakers: Sequence[str | None] = ()) -> dict[str, np.ndarray | None]:
    """What each 95 % interval resamples whole: number of the clip, and of its speaker [clips].

    None in the place of speakers where a clip names none, or where they are fewer than five.

    >>> units_of(6, ["ana", "eva", "ana", "leo", "mar", "sol"])["ci95_speakers"]
    array([0, 1, 0, 2, 3, 4])
    """
    names = sorted({name for name in speakers if name})
    known = len(speakers) == clips and all(speakers) and len(names) >= FEWEST_SPEAKERS
    return {
        "ci95": np.arange(clips),
        "ci95_speakers": np.searchsorted(names, [name or "" for name in speakers]) if known else None,
    }


def bootstrap(
    truth: np.ndarray, predicted: np.ndarray, classes: int, units: np.ndarray, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Scores [resamples, recipes] of resamples with replacement, the same for all recipes.

    Args:
        truth: class indices [clips].
        predicted: class indices [recipes, runs, clips]; runs are averaged.
        classes: how many there are.
        units: number of what each clip is drawn with [clips], counted from 0.
        resamples, seed: of the bootstrap.
    """
    parts = []
    for weights in _resampled(units, resamples, seed):
        # one recipe at a time: the cells of all would be large
        of_recipes = [summaries(confusions(truth, runs, classes, weights)) for runs in predicted]
        parts.append({name: np.stack([of[name] for of in of_recipes], axis=1) for name in SCORES})
    return {name: np.concatenate([part[name] for part in parts]) for name in SCORES}


def interval(draws: np.ndarray) -> list[float]:
    """The 95 % percentile interval of resampled values [resamples]."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return [float(low), float(high)]


def confusions(truth: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray) -> np.ndarray:
    """Confusion matrices [draws, runs, true class, predicted class] of weighted clips.

    Args:
        truth: [clips].
        predicted: [runs, clips]; -1 where a clip is not scored.
        classes: how many there are.
        weights: how often each clip counts in each draw [draws, clips].
    """
    cells = np.eye(classes * classes)[truth * classes + predicted] * (predicted != UNSCORED)[..., None]
    counts = np.einsum("dc,rck->drk", weights, cells, optimize=True)
    return counts.reshape(len(weights), len(predicted), classes, classes)


def summaries(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Scores [draws] of confusion matrices [draws, runs, true, predicted], averaged over the runs."""
    hits = np.diagonal(matrices, axis1=2, axis2=3)
    support, guesses = matrices.sum(3), matrices.sum(2)
    f1 = _ratio(2 * hits, support + guesses)
    recall = _ratio(hits, support)
    accuracy = hits.sum(2) / matrices.sum((2, 3))
    return {
        "macro_f1": np.nanmean(f1, axis=2).mean(1),
        "uar": np.nanmean(recall, axis=2).mean(1),
        "accuracy": accuracy.mean(1),
    }


def calibration(truth: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """How far probabilities come true: `ece`, `nll` and `brier`, means over the runs, and the bins of `reliability`.

    ECE is the mean gap between confidence and accuracy (Guo et al. 2017), NLL the negative log-likelihood of the true
    label, in nats, and the Brier score the squared distance from the truth, from 0 to 2 (Brier 1950).

    Args:
        truth: class indices [clips].
        scores: probabilities [runs, clips, classes]; NaN where a clip is not scored.
    """
    counted = [~np.isnan(run[:, 0]) for run in scores]
    each = [(truth[those], run[those]) for run, those in zip(scores, counted, strict=True)]
    whole, every = np.concatenate([of for of, _ in each]), np.concatenate([run for _, run in each])
    given = every[np.arange(len(whole)), whole]
    # an impossible label that is the true one costs much, not everything
    surprise = -np.log(np.maximum(given, np.finfo(np.float64).eps))
    distance = (every**2).sum(1) - 2 * given + 1
    return {
        "ece": float(np.mean([expected_calibration_error(of, run) for of, run in each])),
        "nll": float(surprise.mean()),
        "brier": float(distance.mean()),
        "reliability": reliability(truth, scores),
    }


def reliability(truth: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """Clips, mean confidence and accuracy of each of 15 equal bins of confidence (Guo et al. 2017).

    The confidence is the probability of the most probable label, and accuracy how often that is the true one. Both are
    None where a bin is empty; all runs count together, and `n` is the mean over the runs.

    Args:
        truth: class indices [clips].
        scores: probabilities [runs, clips, classes]; NaN where a clip is not scored.
    """
    confidence, right = scores.max(2), scores.argmax(2) == truth
    counted = ~np.isnan(confidence)
    bins = _bins(np.where(counted, confidence, 0.0))
    rows = []
    for b in range(ECE_BINS):
        inside = (bins == b) & counted
        found = bool(inside.any())
        rows.append(
            {
                "low": b / ECE_BINS,
                "high": (b + 1) / ECE_BINS,
                "n": float(inside.sum() / len(scores)),
                "confidence": float(confidence[inside].mean()) if found else None,
                "accuracy": float(right[inside].mean()) if found else None,
            }
        )
    return rows


def expected_calibration_error(truth: np.ndarray, scores: np.ndarray) -> float:
    """Mean gap between confidence and accuracy over 15 equal bins of confidence (Guo et al. 2017).

    Args:
        truth: class indices [clips].
        scores: probabilities [clips, classes].

    >>> expected_calibration_error(np.array([0, 0]), np.array([[0.8, 0.2], [0.8, 0.2]]))
    0.19999999999999996
    """
    confidence, right = scores.max(1), scores.argmax(1) == truth
    bins = _bins(confidence)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))


def _bins(confidence: np.ndarray) -> np.ndarray:
    return np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)


def _resampled(units: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each clip counts in each resample [some resamples, clips]: as often as its unit is drawn."""
    random = np.random.default_rng(seed)
    count = int(units.max()) + 1
    for start in range(0, resamples, PORTION):
        drawn = random.multinomial(count, np.full(count, 1 / count), size=min(PORTION, resamples - start))
        yield drawn[:, units].astype(float)


def _per_class(matrices: np.ndarray, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    support, guesses = matrices.sum(2), matrices.sum(1)
    columns = {
        "precision": _ratio(hits, guesses),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, support + guesses),
    }
    table = {name: np.nan_to_num(values).mean(0) for name, values in columns.items()}
    return {
        label: {**{name: float(values[i]) for name, values in table.items()}, "support": round(support[:, i].mean())}
        for i, label in enumerate(labels)
    }


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Their quotient; NaN where nothing is there to divide by."""
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
