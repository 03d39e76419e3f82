"""What is fitted to clips that were held out of training: a temperature, and thresholds by label."""

import numpy as np
from scipy.optimize import minimize_scalar

from emovoz.inference.temperature import tempered
from emovoz.settings import Training
from emovoz.training.thresholds import fit_thresholds

LEAST, MOST = 0.1, 10.0
"""Between these a temperature lies: with few clips, all of them right, it would go to zero."""


def fit_temperature(truth: np.ndarray, scores: np.ndarray) -> float | None:
    """The temperature that gives the true labels the greatest likelihood (Guo et al. 2017).

    Every clip counts the same. Those whose label had no chance at all, because no clip that was learned from has it,
    say nothing of the temperature; where no other clip is there, it is None.

    Args:
        truth: class indices [clips].
        scores: probabilities [clips, labels].
    """
    chances = scores[np.arange(len(truth)), truth]
    known = chances > 0
    if not known.any():
        return None

    def cost(log_temperature: float) -> float:
        given = tempered(scores[known], float(np.exp(log_temperature)))
        return -float(np.log(np.maximum(given[np.arange(len(given)), truth[known]], 1e-300)).mean())

    bounds = (np.log(LEAST), np.log(MOST))
    return float(np.exp(minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


def calibrated(
    truth: np.ndarray, scores: np.ndarray, training: Training, labels: tuple[str, ...]
) -> tuple[float | None, dict[str, float] | None]:
    """The temperature, and the thresholds for what it gives, where the recipe wants them.

    Args:
        truth: class indices [clips].
        scores: probabilities [clips, labels] from heads that were not fitted to these clips.
        training: the settings.
        labels: names of the classes.
    """
    temperature = None if training.temperature is False else fit_temperature(truth, scores)
    if not training.thresholds:
        return temperature, None
    fitted = fit_thresholds(truth, tempered(scores, temperature))
    return temperature, dict(zip(labels, map(float, fitted), strict=True))
