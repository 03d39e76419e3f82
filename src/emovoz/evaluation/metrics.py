"""Scores with intervals.

Macro-F1 and UAR average over the classes that occur, in truth or among the predictions (for UAR: in truth), as
scikit-learn does by default. Intervals are percentile bootstrap over clips (Efron 1979).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

ECE_BINS = 15


def score(
    truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str], *, resamples: int, seed: int
) -> dict[str, Any]:
    """Macro-F1, UAR and accuracy with 95 % intervals, scores per class and the confusion matrix.

    Several runs over the same clips (seeds) are averaged; a resample draws clips and takes all their runs along.

    Args:
        truth: class indices [clips].
        predicted: class indices [runs, clips].
        labels: names of the classes.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    classes = len(labels)
    whole = np.ones((1, len(truth)))
    matrices = confusions(truth, predicted, classes, whole)[0]
    draws = _bootstrap(truth, predicted, classes, resamples, seed)
    result: dict[str, Any] = {}
    for name, values in summaries(matrices[None]).items():
        low, high = np.percentile(draws[name], [2.5, 97.5])
        result[name] = {"value": float(values[0]), "ci95": [float(low), float(high)]}
    result["per_class"] = _per_class(matrices, labels)
    result["confusion"] = matrices.mean(0).tolist()
    return result


def confusions(truth: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray) -> np.ndarray:
    """Confusion matrices [draws, runs, true class, predicted class] of weighted clips.

    Args:
        truth: [clips].
        predicted: [runs, clips].
        classes: how many there are.
        weights: how often each clip counts in each draw [draws, clips].
    """
    cells = np.eye(classes * classes)[truth * classes + predicted]
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


def expected_calibration_error(truth: np.ndarray, scores: np.ndarray) -> float:
    """Mean gap between confidence and accuracy over 15 equal bins of confidence (Guo et al. 2017).

    Args:
        truth: class indices [clips].
        scores: probabilities [clips, classes].

    >>> expected_calibration_error(np.array([0, 0]), np.array([[0.8, 0.2], [0.8, 0.2]]))
    0.19999999999999996
    """
    confidence, right = scores.max(1), scores.argmax(1) == truth
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))


def _bootstrap(
    truth: np.ndarray, predicted: np.ndarray, classes: int, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    clips = len(truth)
    parts = []
    for start in range(0, resamples, 100):
        count = min(100, resamples - start)
        weights = random.multinomial(clips, np.full(clips, 1 / clips), size=count).astype(float)
        parts.append(summaries(confusions(truth, predicted, classes, weights)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


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
        label: {**{name: float(values[i]) for name, values in table.items()}, "support": int(support[0, i])}
        for i, label in enumerate(labels)
    }


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Their quotient; NaN where nothing is there to divide by."""
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
