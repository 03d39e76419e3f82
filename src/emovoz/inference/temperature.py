"""Temperature: one number by which logits are divided, so that probabilities are as high as they are often right."""

import math
from typing import Any

import numpy as np


def tempered(scores: np.ndarray, temperature: float | None) -> np.ndarray:
    """What the softmax gives where the logits are divided by a temperature (Guo et al. 2017).

    Args:
        scores: probabilities [..., labels], as the softmax of the logits gives them.
        temperature: above 1 it evens them out, below 1 it sharpens them; None leaves them as they are.

    >>> tempered(np.array([0.8, 0.2]), 2.0).round(3).tolist()
    [0.667, 0.333]
    """
    if temperature is None:
        return scores
    with np.errstate(divide="ignore"):
        # what has no chance has none at any temperature
        logits = np.log(scores) / temperature
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    tempered: np.ndarray = odds / odds.sum(-1, keepdims=True)
    return tempered


def temperature_faults(temperature: Any) -> list[str]:
    """What is wrong with a temperature; None is the lack of one."""
    sound = isinstance(temperature, int | float) and math.isfinite(temperature) and temperature > 0
    return [] if sound or temperature is None else [f"the temperature {temperature!r} is not a number above 0"]
