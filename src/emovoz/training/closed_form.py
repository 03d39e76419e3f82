"""Linear models on pooled features, written into the head's last layer."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from emovoz.model import Head
from emovoz.model.config import NGRAMS
from emovoz.model.join import TfIdf
from emovoz.settings import Training
from emovoz.training.examples import Examples
from emovoz.training.logistic import logistic_regression
from emovoz.training.losses import class_counts, class_weights
from emovoz.training.pooled import Decider, collate_pooled_examples, fit_scales, pooled_examples
from emovoz.training.row_space import RowSpace
from emovoz.training.sparse_rows import SparseRows

FEW = 1000
"""Of no more clips than these the whole space is found in no more time than regression on sparse rows takes."""


@torch.no_grad()
def fit_in_closed_form(heads: Sequence[Head], examples: Examples, trainings: Sequence[Training]) -> None:
    """Fit the classifier of each head, a single linear layer, to the vectors it sees, and leave them in eval mode.

    What comes before the classifier must have nothing to learn; the recipe sees to that. An absent part counts as an
    average one. With fusion `late` each part has a model of its own, fitted to the clips that have it, and their logits
    are added: a product of experts (Hinton 2002), right where parts are independent given the label.

    Args:
        heads: of the same settings, so that they see the same vectors: what is measured is measured once for all.
        examples: to learn from.
        trainings: the settings for each head, which differ in `regularisation` alone.
    """
    head, *others = heads
    pooled = pooled_examples(head, examples)
    fit_scales(head, pooled)
    for vector in (*getattr(head.join, "absent", {}).values(), _last(head).weight, _last(head).bias):
        vector.zero_()
    for other in others:
        other.load_state_dict(head.state_dict())
    batch = collate_pooled_examples([pooled[i] for i in range(len(pooled))], head.fusion.dims)
    batch = {name: values.to(head.device) for name, values in batch.items()}
    targets, classes = np.array(examples.targets), len(head.config.labels)
    for columns, there, space in _parts(head, batch, dense=trainings[0].method == "svm"):
        for each, training in zip(heads, trainings, strict=True):
            _add(_last(each), columns, *_fitted(space, targets[there], training, classes))
    unseen = torch.from_numpy(np.setdiff1d(np.arange(classes), targets))
    for each in heads:
        # what was never seen gets no chance
        _last(each).bias[unseen] = -1e4
        each.eval()


def _last(head: Head) -> nn.Linear:
    layer = head.classifier[-1]
    assert isinstance(layer, nn.Linear)
    return layer


def _parts(
    head: Head, batch: dict[str, Tensor], *, dense: bool
) -> Iterator[tuple[slice, np.ndarray, RowSpace | SparseRows]]:
    """The columns that are fitted together, which clips [clips] have them, and the vectors of these clips."""
    if head.config.fusion != "late":
        there = torch.stack([batch[f"{name}_present"] for name in head.fusion.dims]).all(0)
        sparse = [*head.fusion.dims] == [NGRAMS] and bool(there.all()) and len(there) > FEW and not dense
        space = _sparse(head, batch[NGRAMS]) if sparse else RowSpace.of(_array(Decider(head).joined(batch)))
        yield slice(None), np.ones(len(there), dtype=bool), space
        return
    start = 0
    for name, dim in head.fusion.dims.items():
        there = batch[f"{name}_present"]
        if there.any():
            vectors = batch[name][there]
            sparse = name == NGRAMS and len(vectors) > FEW and not dense
            space = _sparse(head, vectors) if sparse else RowSpace.of(_array(head.join.scale[name](vectors)))
            yield slice(start, start + dim), _array(there), space
        start += dim


def _sparse(head: Head, frequencies: Tensor) -> SparseRows:
    """N-grams as the classifier sees them, but that the mean is not taken from each of them: it would fill them."""
    scale = head.join.scale[NGRAMS]
    assert isinstance(scale, TfIdf)
    return SparseRows(_array(scale.weighed(frequencies)), _array(scale.mean.double()))


def _array(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()


def _fitted(
    space: RowSpace | SparseRows, targets: np.ndarray, training: Training, classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The classes there are, their weights [classes, dim] and bias [classes]."""
    seen, truth = np.unique(targets, return_inverse=True)
    by_class = class_weights(training, class_counts(targets.tolist(), classes))
    weights = np.ones(len(truth)) if by_class is None else by_class.double().numpy()[seen][truth]
    # relative to the squared length of the vectors, so that a strength means the same for few values and for many
    strength = training.regularisation / max(space.squared_length, 1e-12)
    if isinstance(space, SparseRows):
        return seen, *space.in_features(*logistic_regression(space, truth, weights, strength))
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
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=strength, dual=False, tol=1e-7, max_iter=10_000, random_state=seed)
    model.fit(coordinates, truth, sample_weight=weights)
    if len(model.classes_) > 2:
        return model.coef_, model.intercept_
    return np.concatenate([-model.coef_, model.coef_]) / 2, np.concatenate([-model.intercept_, model.intercept_]) / 2


def _add(layer: nn.Linear, columns: slice, seen: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> None:
    rows = torch.from_numpy(seen)
    layer.weight[rows, columns] = torch.from_numpy(weights).to(layer.weight)
    layer.bias[rows] += torch.from_numpy(bias).to(layer.bias)
