"""Multinomial logistic regression with an L2 penalty, along principal axes."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

TOLERANCE = 1e-7
"""Of the gradient, in coordinates whose curvature is at most about 1: exact also where the classes fall apart."""


def logistic_regression(
    coordinates: np.ndarray, targets: np.ndarray, weights: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [classes, rank] and bias [classes], as scikit-learn's LogisticRegression finds them.

    L-BFGS needs few steps along principal axes, for there the curvature is known.

    Args:
        coordinates: of the clips along their principal axes (see `RowSpace`) [clips, rank].
        targets: class of each clip, all from 0 to the largest occurring.
        weights: of each clip in the loss [clips].
        strength: C, the weight of the loss beside the penalty.
    """
    truth = np.eye(int(targets.max()) + 1)[targets]
    # two classes have one vector of weights in scikit-learn, whose halves these are: half as large a penalty
    penalty = (2 if truth.shape[1] == 2 else 1) / strength
    layer = _fitted(coordinates, truth, weights, penalty)
    return layer[:, :-1], layer[:, -1]


def _fitted(coordinates: np.ndarray, truth: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    """Weights and, in the last column, bias [classes, rank + 1]; the truth is one-hot [clips, classes]."""
    classes = truth.shape[1]
    inputs = np.column_stack([coordinates, np.ones(len(coordinates))])
    penalties = np.full(inputs.shape[1], penalty)
    penalties[-1] = 0.0
    # the curvature where all classes are equally likely, along axes that are orthogonal
    curvature = (classes - 1) / classes**2 * (weights @ inputs**2)
    scale = 1 / np.sqrt(penalties + np.maximum(curvature, np.finfo(np.float64).tiny))
    inputs, penalties = inputs * scale, penalties * scale**2

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        layer = flat.reshape(classes, -1)
        log_chances = log_softmax(inputs @ layer.T, axis=1)
        errors = weights[:, None] * (np.exp(log_chances) - truth)
        loss = -float(weights @ (log_chances * truth).sum(1)) + 0.5 * float((penalties * layer**2).sum())
        return loss, (errors.T @ inputs + penalties * layer).ravel()

    found = minimize(
        objective,
        np.zeros(classes * inputs.shape[1]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 10_000, "maxcor": 20, "gtol": TOLERANCE, "ftol": 0.0},
    )
    return found.x.reshape(classes, -1) * scale
