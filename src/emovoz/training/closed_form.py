"""Linear models on pooled features, by scikit-learn, written into the head's last layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from torch import nn

from emovoz.model import EmotionHead
from emovoz.settings import Training
from emovoz.training.examples import Examples
from emovoz.training.losses import class_counts, class_weights
from emovoz.training.pooled import Decider, collate_pooled_examples, fit_scales, pooled_examples


def fit_in_closed_form(head: EmotionHead, examples: Examples, training: Training) -> EmotionHead:
    """Fit the head's classifier, a single linear layer, to the vectors it sees.

    What comes before the classifier must have nothing to learn; the recipe sees to that.
    """
    pooled = pooled_examples(head, examples)
    fit_scales(head, pooled)
    vectors = _seen(head, pooled)
    classes = len(head.config.labels)
    if len(vectors) < vectors.shape[1]:
        coordinates, combination = row_space(vectors)
        model = _fitted(coordinates, examples.targets, training, classes)
        weights = model.coef_ @ combination.T @ vectors
    else:
        model = _fitted(vectors, examples.targets, training, classes)
        weights = model.coef_
    _write(head.classifier[-1], model.classes_, weights, model.intercept_)
    return head.eval()


@torch.no_grad()
def _seen(head: EmotionHead, pooled: Examples) -> np.ndarray:
    """The vectors that the classifier sees, float64 [clips, dim]."""
    batch = collate_pooled_examples([pooled[i] for i in range(len(pooled))], head.fusion.dims)
    joined = Decider(head).joined({name: values.to(head.device) for name, values in batch.items()})
    return joined.double().cpu().numpy()


def row_space(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors by their coordinates in the space they span, which is small where they are few and wide.

    The weights of a linear model with an L2 penalty lie in that space, and the penalty is the same there: a model
    fitted to the coordinates is the model fitted to the vectors.

    Args:
        vectors: [clips, dim].

    Returns:
        coordinates [clips, rank]; and, [clips, rank], how the vectors combine to the orthonormal basis that they are
        for: `combination.T @ vectors` [rank, dim].
    """
    squares, directions = np.linalg.eigh(vectors @ vectors.T)
    known = squares > squares[-1] * len(squares) * np.finfo(squares.dtype).eps
    lengths, directions = np.sqrt(squares[known]), directions[:, known]
    return directions * lengths, directions / lengths


def _fitted(vectors: np.ndarray, targets: Sequence[int], training: Training, classes: int) -> Any:
    """A model of scikit-learn with `classes_`, `coef_` and `intercept_`."""
    weights = class_weights(training, class_counts(targets, classes))
    settings: dict[str, Any] = {
        "C": training.regularisation,
        "class_weight": None if weights is None else dict(enumerate(weights.tolist())),
        "random_state": training.seed,
    }
    if training.method == "svm":
        model = LinearSVC(dual=False, max_iter=10_000, **settings)
    else:
        model = LogisticRegression(max_iter=2000, **settings)
    return model.fit(vectors, targets)


@torch.no_grad()
def _write(layer: nn.Module, classes: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> None:
    """Put a model into the linear layer; classes that were never seen get no chance."""
    assert isinstance(layer, nn.Linear)
    if len(classes) == 2:
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    layer.weight.zero_()
    layer.bias.fill_(-1e4)
    for row, i in enumerate(classes):
        layer.weight[i] = torch.from_numpy(weights[row])
        layer.bias[i] = float(bias[row])
