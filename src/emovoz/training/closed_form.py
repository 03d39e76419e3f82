"""Linear models on pooled features, written into the head's last layer."""

from collections.abc import Iterator

import numpy as np
import torch
from sklearn.svm import LinearSVC
from torch import nn

from emovoz.model import EmotionHead
from emovoz.settings import Training
from emovoz.training.examples import Examples
from emovoz.training.logistic import logistic_regression
from emovoz.training.losses import class_counts, class_weights
from emovoz.training.pooled import Decider, collate_pooled_examples, fit_scales, pooled_examples
from emovoz.training.row_space import RowSpace


@torch.no_grad()
def fit_in_closed_form(head: EmotionHead, examples: Examples, training: Training) -> EmotionHead:
    """Fit the head's classifier, a single linear layer, to the vectors it sees.

    What comes before the classifier must have nothing to learn; the recipe sees to that. An absent part counts as an
    average one. With fusion `late` each part has a model of its own, fitted to the clips that have it, and their logits
    are added: a product of experts (Hinton 2002), right where parts are independent given the label.
    """
    pooled = pooled_examples(head, examples)
    fit_scales(head, pooled)
    for vector in getattr(head.join, "absent", {}).values():
        vector.zero_()
    batch = collate_pooled_examples([pooled[i] for i in range(len(pooled))], head.fusion.dims)
    joined = Decider(head).joined({name: values.to(head.device) for name, values in batch.items()})
    vectors, targets = joined.double().cpu().numpy(), np.array(examples.targets)
    layer = head.classifier[-1]
    assert isinstance(layer, nn.Linear)
    layer.weight.zero_()
    layer.bias.zero_()
    for columns, there in _parts(head, batch, vectors):
        seen, weights, bias = _fitted(vectors[:, columns][there], targets[there], training, len(head.config.labels))
        _add(layer, columns, seen, weights, bias)
    # what was never seen gets no chance
    layer.bias[torch.from_numpy(np.setdiff1d(np.arange(len(layer.bias)), targets))] = -1e4
    return head.eval()


def _parts(
    head: EmotionHead, batch: dict[str, torch.Tensor], vectors: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """The columns that are fitted together, and which clips [clips] have them."""
    if head.config.fusion != "late":
        yield slice(None), np.ones(len(vectors), dtype=bool)
        return
    start = 0
    for name, dim in head.fusion.dims.items():
        there = batch[f"{name}_present"].numpy()
        if there.any():
            yield slice(start, start + dim), there
        start += dim


def _fitted(
    vectors: np.ndarray, targets: np.ndarray, training: Training, classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The classes there are, their weights [classes, dim] and bias [classes]."""
    seen, truth = np.unique(targets, return_inverse=True)
    by_class = class_weights(training, class_counts(targets.tolist(), classes))
    weights = np.ones(len(truth)) if by_class is None else by_class.double().numpy()[seen][truth]
    space = RowSpace.of(vectors)
    # relative to the squared length of the vectors, so that a strength means the same for few values and for many
    length = float((space.coordinates**2).sum(1).mean())
    strength = training.regularisation / max(length, 1e-12)
    # of a single label, or of clips that are all alike, there is nothing that a margin could be between
    if training.method == "svm" and len(seen) > 1 and space.coordinates.shape[1]:
        layer, bias = _support_vectors(space.coordinates, truth, weights, strength, training.seed)
    else:
        layer, bias = logistic_regression(space.coordinates, truth, weights, strength)
    return seen, *space.in_features(layer, bias)


def _support_vectors(
    coordinates: np.ndarray, truth: np.ndarray, weights: np.ndarray, strength: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A linear support vector machine of each label against the others."""
    model = LinearSVC(C=strength, dual=False, tol=1e-7, max_iter=10_000, random_state=seed)
    model.fit(coordinates, truth, sample_weight=weights)
    if len(model.classes_) > 2:
        return model.coef_, model.intercept_
    return np.concatenate([-model.coef_, model.coef_]) / 2, np.concatenate([-model.intercept_, model.intercept_]) / 2


def _add(layer: nn.Linear, columns: slice, seen: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> None:
    rows = torch.from_numpy(seen)
    layer.weight[rows, columns] = torch.from_numpy(weights).to(layer.weight)
    layer.bias[rows] += torch.from_numpy(bias).to(layer.bias)
