"""Heads that differ in regularisation alone: fitted together, and each as if it were alone."""

from typing import Any

import torch

from emovoz.settings import Training
from emovoz.training.fitting import fit, fit_alike
from fits import examples, head, tensors

CLOSED: dict[str, Any] = {
    "pooling": "mean",
    "layer_mix": "concatenate",
    "layer_norm": False,
    "hidden_layers": 0,
    "standardise": True,
}


def test_heads_fitted_together_are_those_that_are_fitted_one_by_one() -> None:
    trainings = [Training(method="logistic_regression", keep="last", regularisation=c) for c in (0.1, 1.0, 10.0)]
    together = fit_alike([head(**CLOSED) for _ in trainings], examples(90), trainings)
    for fitted, training in zip(together, trainings, strict=True):
        alone = tensors(fit(head(**CLOSED), examples(90), None, training))
        assert all(torch.equal(tensor, alone[name]) for name, tensor in tensors(fitted).items())
    first, *_, last = map(tensors, together)
    assert any(not torch.equal(tensor, last[name]) for name, tensor in first.items())
