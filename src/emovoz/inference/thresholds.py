"""Thresholds: how much probability each label needs, in proportion to the others, to be the decision."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emovoz.errors import InputError, did_you_mean

EVEN = 0.5
"""The threshold of a label for which none is given."""


def read_thresholds(given: Sequence[str]) -> dict[str, float]:
    """Thresholds by label from `label=value` each.

    Raises:
        InputError: every one that is not written so.

    >>> read_thresholds(["fear=0.2", "joy=.6"])
    {'fear': 0.2, 'joy': 0.6}
    """
    thresholds: dict[str, float] = {}
    faults = []
    for one in given:
        label, _, value = one.rpartition("=")
        try:
            thresholds[label] = float(value)
        except ValueError:
            label = ""
        if not label:
            faults.append(f"--threshold {one!r}: expected label=value, such as fear=0.2")
    if faults:
        raise InputError(faults)
    return thresholds


def threshold_faults(thresholds: Any, labels: Sequence[str]) -> list[str]:
    """What is wrong with thresholds by label, a sentence each.

    >>> threshold_faults({"Joy": 0.5, "fear": 30}, ["fear", "joy"])
    ["threshold of 'Joy': no such label (fear, joy); did you mean 'joy'?",
     "threshold of 'fear': 30 is not between 0 and 1"]
    """
    if not isinstance(thresholds, Mapping):
        return [f"thresholds by label are wanted, not {thresholds!r}"]
    return [
        f"threshold of {label!r}: no such label ({', '.join(labels)}){did_you_mean(str(label), labels)}"
        if label not in labels
        else f"threshold of {label!r}: {value} is not between 0 and 1"
        for label, value in thresholds.items()
        if label not in labels or not _is_threshold(value)
    ]


def threshold_row(thresholds: Mapping[str, float] | None, labels: Sequence[str]) -> np.ndarray:
    """The threshold of each label [labels]; 0.5 for those without one.

    Raises:
        InputError: an unknown label, or a threshold that is not between 0 and 1.
    """
    faults = threshold_faults(thresholds or {}, labels)
    if faults:
        raise InputError(faults)
    return np.array([(thresholds or {}).get(label, EVEN) for label in labels], dtype=np.float64)


def decisions(scores: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
    """The label whose probability is the largest multiple of its threshold (threshold moving, Zhou & Liu 2006).

    Only the proportions of the thresholds matter; where all are equal, the most probable label decides.

    Args:
        scores: probabilities [..., labels].
        thresholds: [labels], or as the scores; None where all are equal.

    Returns:
        indices [...].

    >>> decisions(np.array([0.6, 0.4])), decisions(np.array([0.6, 0.4]), np.array([0.5, 0.3]))
    (np.int64(0), np.int64(1))
    """
    if thresholds is None:
        return scores.argmax(-1)
    # a factor of 1 where thresholds are equal: dividing by them could round two scores to one
    return (scores * (np.max(thresholds, axis=-1, keepdims=True) / thresholds)).argmax(-1)


def told(thresholds: Mapping[str, float]) -> str:
    """Fitted thresholds as a line for people."""
    if len(set(thresholds.values())) == 1:
        return "none would help on other clips, so all are equal: the most probable label is the decision"
    return ", ".join(f"{label} {value:.2f}" for label, value in thresholds.items())


def _is_threshold(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and 0 < value < 1
