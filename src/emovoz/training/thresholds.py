"""Fitting a threshold a label to clips held out."""

import numpy as np

from emovoz.inference.thresholds import EVEN, decisions

GRID = np.arange(1, 20) / 20
"""The thresholds that are tried."""
PRIOR_CLIPS = 20
"""A label's threshold goes this many clips' worth back to 0.5."""
FOLDS, ROUNDS = 5, 5
"""Of the cross-fit that says whether thresholds help."""


def fit_thresholds(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Thresholds [labels] of good macro-F1 on these clips, or equal ones where they would not help on others.

    A threshold from few clips of its label is drawn towards 0.5: of n clips, log(threshold / 0.5) counts n / (n + 20).
    Whether they help is asked of clips that did not fit them: thresholds fitted to four fifths of the clips decide on
    the last fifth, each fifth in turn. Unless the macro-F1 of these decisions is above that of the most probable
    labels in every one of five such rounds, all thresholds stay at 0.5. So few clips seldom move anything by luck, and
    the same clips always give the same thresholds.

    Args:
        truth: class indices [clips].
        scores: probabilities [clips, labels].
    """
    even = np.full(scores.shape[1], EVEN)
    plain = macro_f1(truth, decisions(scores), len(even))
    helps = all(macro_f1(truth, _cross_fitted(truth, scores, seed), len(even)) > plain + 1e-9 for seed in range(ROUNDS))
    return _shrunk(truth, scores) if helps else even


def ascend(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Thresholds [labels] of good macro-F1 on these clips, one label after the other, until none can be bettered.

    Of equally good ones the nearest to 0.5 is taken, and a label without a clip keeps 0.5. Arguments as in
    `fit_thresholds`.
    """
    classes = scores.shape[1]
    thresholds = np.full(classes, EVEN)
    nearest_first = sorted(GRID, key=lambda value: (abs(np.log(value / EVEN)), value))
    there = np.unique(truth)
    before = None
    while before is None or not np.array_equal(before, thresholds):
        before = thresholds.copy()
        for label in there:
            tried = np.tile(thresholds, (len(GRID), 1))
            tried[:, label] = nearest_first
            reached = [macro_f1(truth, decisions(scores, row), classes) for row in tried]
            # the first of the best: rounded, so that what differs by the order of a sum is equal
            thresholds = tried[int(np.round(reached, 12).argmax())]
    return thresholds


def _shrunk(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    clips = np.bincount(truth, minlength=scores.shape[1])
    return EVEN * (ascend(truth, scores) / EVEN) ** (clips / (clips + PRIOR_CLIPS))


def _cross_fitted(truth: np.ndarray, scores: np.ndarray, seed: int) -> np.ndarray:
    """Decisions [clips], each by thresholds fitted without the clip; the folds have the labels in proportion."""
    order = np.random.default_rng(seed).permutation(len(truth))
    dealt = order[np.argsort(truth[order], kind="stable")]
    found = np.zeros(len(truth), dtype=int)
    for fold in range(FOLDS):
        test = dealt[fold::FOLDS]
        rest = np.setdiff1d(dealt, test)
        found[test] = decisions(scores[test], _shrunk(truth[rest], scores[rest]))
    return found


def macro_f1(truth: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """Mean F1 of the classes that occur, in truth or among the predictions; class indices [clips] each."""
    hits = np.bincount(truth[truth == predicted], minlength=classes)
    both = np.bincount(truth, minlength=classes) + np.bincount(predicted, minlength=classes)
    return float(np.mean(2 * hits[both > 0] / both[both > 0]))
