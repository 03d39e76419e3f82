"""Multinomial logistic regression with an L2 penalty, for more features than clips and several strengths."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from emovoz.training.row_space import RowSpace

TOLERANCE = 1e-7
"""Of the gradient, in coordinates whose curvature is at most about 1: exact also where the classes fall apart."""


def logistic_regressions(
    vectors: np.ndarray, targets: np.ndarray, weights: np.ndarray, strengths: Sequence[float]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Weights [classes, dim] and bias [classes] for each inverse strength C, as scikit-learn's LogisticRegression.

    They are fitted in the space of the rows, which is found once; each C begins where the last has ended, so they are
    fastest in order. L-BFGS needs few steps there, for along the principal axes the curvature is known.

    Args:
        vectors: [clips, dim].
        targets: class of each clip, all from 0 to the largest occurring.
        weights: of each clip in the loss [clips].
        strengths: C, the weight of the loss beside the penalty.
    """
    space = RowSpace.of(vectors)
    truth = np.eye(int(targets.max()) + 1)[targets]
    start = np.zeros((truth.shape[1], space.axes.shape[0] + 1))
    for strength in strengths:
        # two classes have one vector of weights in scikit-learn, whose halves these are: half as large a penalty
        penalty = (2 if truth.shape[1] == 2 else 1) / strength
        start = _fitted(space.coordinates, truth, weights, penalty, start)
        yield space.in_features(start[:, :-1], start[:, -1])


def _fitted(
    coordinates: np.ndarray, truth: np.ndarray, weights: np.ndarray, penalty: float, start: np.ndarray
) -> np.ndarray:
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
        (start / scale).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 10_000, "maxcor": 20, "gtol": TOLERANCE, "ftol": 0.0},
    )
    return found.x.reshape(classes, -1) * scale
