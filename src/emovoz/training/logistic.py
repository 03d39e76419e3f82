"""Multinomial logistic regression with an L2 penalty."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from emovoz.training.sparse_rows import SparseRows

TOLERANCE = 1e-7
"""Of the gradient, in coordinates whose curvature is at most about 1: exact also where the classes fall apart."""


def logistic_regression(
    inputs: np.ndarray | SparseRows, targets: np.ndarray, weights: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [classes, dim] and bias [classes], as scikit-learn's LogisticRegression finds them.

    L-BFGS needs few steps along principal axes, for there the curvature is known; and few in the many directions of
    n-grams, each of which is in few clips.

    Args:
        inputs: clips about their mean [clips, dim], along their principal axes (see `RowSpace`) or sparse.
        targets: class of each clip, all from 0 to the largest occurring.
        weights: of each clip in the loss [clips].
        strength: C, the weight of the loss beside the penalty.
    """
    truth = np.eye(int(targets.max()) + 1)[targets]
    # two classes have one vector of weights in scikit-learn, whose halves these are: half as large a penalty
    penalty = (2 if truth.shape[1] == 2 else 1) / strength
    layer = _fitted(inputs, truth, weights, penalty)
    return layer[:, :-1], layer[:, -1]


def _fitted(inputs: np.ndarray | SparseRows, truth: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    """Weights and, in the last column, bias [classes, dim + 1]; the truth is one-hot [clips, classes]."""
    classes = truth.shape[1]
    penalties = np.append(np.full(inputs.shape[1], penalty), 0.0)
    squares = inputs.weighted_squares(weights) if isinstance(inputs, SparseRows) else weights @ inputs**2
    # the curvature where all classes are equally likely, were the directions independent
    curvature = (classes - 1) / classes**2 * np.append(squares, weights.sum())
    scale = 1 / np.sqrt(penalties + np.maximum(curvature, np.finfo(np.float64).tiny))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        layer = flat.reshape(classes, -1) * scale
        log_chances = log_softmax(inputs @ layer[:, :-1].T + layer[:, -1], axis=1)
        errors = weights[:, None] * (np.exp(log_chances) - truth)
        slopes = np.column_stack([(inputs.T @ errors).T, errors.sum(0)]) + penalties * layer
        loss = -float(weights @ (log_chances * truth).sum(1)) + 0.5 * float((penalties * layer**2).sum())
        return loss, (slopes * scale).ravel()

    found = minimize(
        objective,
        np.zeros(classes * len(scale)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 10_000, "maxcor": 20, "gtol": TOLERANCE, "ftol": 0.0},
    )
    return found.x.reshape(classes, -1) * scale
