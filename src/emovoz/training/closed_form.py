"""Logistic regression on pooled features, by scikit-learn, written into the head's last layer."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from emovoz.model import EmotionHead
from emovoz.settings import Training
from emovoz.training.examples import Examples
from emovoz.training.losses import class_counts, class_weights
from emovoz.training.pooled import Decider, collate_pooled_examples, fit_scales, pooled_examples


def fit_logistic_regression(head: EmotionHead, examples: Examples, training: Training) -> EmotionHead:
    """Fit the head's classifier, a single linear layer, to the vectors it sees.

    What comes before the classifier must have nothing to learn; the recipe sees to that.
    """
    pooled = pooled_examples(head, examples)
    fit_scales(head, pooled)
    batch = collate_pooled_examples([pooled[i] for i in range(len(pooled))], head.fusion.dims)
    with torch.no_grad():
        joined = Decider(head).joined({name: values.to(head.device) for name, values in batch.items()})
    weights = class_weights(training, class_counts(examples.targets, len(head.config.labels)))
    model = LogisticRegression(
        C=training.regularisation,
        class_weight=dict(enumerate(weights.tolist())) if weights is not None else None,
        max_iter=2000,
        random_state=training.seed,
    )
    model.fit(joined.double().cpu().numpy(), examples.targets)
    _write(head.classifier[-1], model)
    return head.eval()


@torch.no_grad()
def _write(layer: nn.Module, model: LogisticRegression) -> None:
    """Put the regression into the linear layer; classes that were never seen get no chance."""
    assert isinstance(layer, nn.Linear)
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    layer.weight.zero_()
    layer.bias.fill_(-1e4)
    for row, i in enumerate(model.classes_):
        layer.weight[i] = torch.from_numpy(weights[row])
        layer.bias[i] = float(bias[row])
