"""Logistic regression on pooled features, written into the head's last layer."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from emovoz.model import EmotionHead
from emovoz.settings import Training
from emovoz.training.examples import Examples
from emovoz.training.logistic import logistic_regressions
from emovoz.training.losses import class_counts, class_weights
from emovoz.training.pooled import Decider, collate_pooled_examples, fit_scales, pooled_examples


def fit_logistic_regression(head: EmotionHead, examples: Examples, training: Training) -> EmotionHead:
    """Fit the head's classifier, a single linear layer, to the vectors it sees.

    What comes before the classifier must have nothing to learn; the recipe sees to that.
    """
    return next(fit_regularised(head, examples, training, [training.regularisation]))


def fit_regularised(
    head: EmotionHead, examples: Examples, training: Training, strengths: Sequence[float]
) -> Iterator[EmotionHead]:
    """The head fitted with each strength C in turn, in little more time than with one.

    Args:
        head, examples, training: as in `fit_logistic_regression`.
        strengths: in the place of `training.regularisation`; fastest in order.

    Yields:
        The head itself, which the next strength changes: use it before going on.
    """
    pooled = pooled_examples(head, examples)
    fit_scales(head, pooled)
    batch = collate_pooled_examples([pooled[i] for i in range(len(pooled))], head.fusion.dims)
    with torch.no_grad():
        joined = Decider(head).joined({name: values.to(head.device) for name, values in batch.items()})
    seen, targets = np.unique(examples.targets, return_inverse=True)
    by_class = class_weights(training, class_counts(examples.targets, len(head.config.labels)))
    weights = np.ones(len(targets)) if by_class is None else by_class.double().numpy()[seen][targets]
    for layer, bias in logistic_regressions(joined.double().cpu().numpy(), targets, weights, strengths):
        _write(head.classifier[-1], seen, layer, bias)
        yield head.eval()


@torch.no_grad()
def _write(layer: nn.Module, seen: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> None:
    """Put the regression into the linear layer; classes that were never seen get no chance."""
    assert isinstance(layer, nn.Linear)
    layer.weight.zero_()
    layer.bias.fill_(-1e4)
    rows = torch.from_numpy(seen)
    layer.weight[rows] = torch.from_numpy(weights).to(layer.weight)
    layer.bias[rows] = torch.from_numpy(bias).to(layer.bias)
