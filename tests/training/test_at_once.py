"""Fits next to each other: the same results as one after the other, in the same order."""

import threading
from typing import Any

import numpy as np
import pytest
import torch

from emovoz.settings import Training
from emovoz.training import at_once
from emovoz.training.at_once import several_at_once
from emovoz.training.fitting import fit, fit_alike
from fits import examples, head, tensors

CLOSED: dict[str, Any] = {
    "pooling": "mean",
    "layer_mix": "concatenate",
    "layer_norm": False,
    "hidden_layers": 0,
    "standardise": True,
}


def test_results_come_in_the_order_of_what_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "_processors", lambda: 3)
    matrices = [np.random.default_rng(i).random((40, 40)) for i in range(7)]
    threads = torch.get_num_threads()
    found = several_at_once(lambda i: (i, np.linalg.eigvals(matrices[i]).sum().real), range(7), need=1)
    assert [i for i, _ in found] == list(range(7))
    assert torch.get_num_threads() == threads


def test_work_within_work_stays_in_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "_processors", lambda: 2)

    def outer(_: int) -> set[int]:
        return {threading.get_ident(), *several_at_once(lambda _: threading.get_ident(), range(4), need=1)}

    assert all(len(seen) == 1 for seen in several_at_once(outer, range(4), need=1))


def test_what_needs_much_memory_is_done_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "_processors", lambda: 2)
    seen = set(several_at_once(lambda _: threading.get_ident(), range(4), need=at_once.MEMORY))
    assert seen == {threading.get_ident()}


def test_an_error_in_a_thread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "_processors", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        list(several_at_once(lambda i: 1 // i, range(4), need=1))


def test_heads_fitted_together_are_those_that_are_fitted_one_by_one() -> None:
    trainings = [Training(method="logistic_regression", keep="last", regularisation=c) for c in (0.1, 1.0, 10.0)]
    together = fit_alike([head(**CLOSED) for _ in trainings], examples(90), trainings)
    for fitted, training in zip(together, trainings, strict=True):
        alone = tensors(fit(head(**CLOSED), examples(90), None, training))
        assert all(torch.equal(tensor, alone[name]) for name, tensor in tensors(fitted).items())
    first, *_, last = map(tensors, together)
    assert any(not torch.equal(tensor, last[name]) for name, tensor in first.items())
