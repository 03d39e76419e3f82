"""Losses: each equals its formula, written out here or in another library, for certain and for mixed labels."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from emovoz.settings import Training
from emovoz.training.losses import class_counts, class_weights, log_frequencies, loss_of, objective_of, weight_of

CLASSES = 4
WEIGHTS = torch.tensor([2.0, 0.5, 1.0, 0.1])


def batch(seed: int = 0, clips: int = 50) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(clips, CLASSES, generator=random, requires_grad=True)
    return logits, torch.randint(CLASSES, (clips,), generator=random)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_and_label_smoothing_are_those_of_torch(weights: Tensor | None, smoothing: float) -> None:
    logits, targets = batch()
    ours = loss_of(logits, targets, weights=weights, smoothing=smoothing)
    theirs = cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs)
    slopes = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
@pytest.mark.parametrize(
    "settings", [{}, {"gamma": 2.0}, {"smoothing": 0.1}, {"adjustment": torch.arange(4.0)}], ids=str
)
def test_certain_labels_cost_what_indices_cost(weights: Tensor | None, settings: dict[str, Any]) -> None:
    logits, targets = batch()
    certain = torch.eye(CLASSES)[targets]
    ours = loss_of(logits, certain, weights=weights, **settings)
    torch.testing.assert_close(ours, loss_of(logits, targets, weights=weights, **settings))


def test_mixed_labels_cost_their_share_of_each() -> None:
    logits = torch.tensor([[1.0, -1.0, 0.5]])
    costs = [cross_entropy(logits, torch.tensor([i])).item() for i in range(3)]
    mixed = torch.tensor([[0.3, 0.7, 0.0]])
    assert loss_of(logits, mixed).item() == pytest.approx(0.3 * costs[0] + 0.7 * costs[1])
    expected = (0.3 * 2 * costs[0] + 0.7 * 0.5 * costs[1]) / (0.3 * 2 + 0.7 * 0.5)
    assert loss_of(logits, mixed, weights=torch.tensor([2.0, 0.5, 9.0])).item() == pytest.approx(expected)
    # smoothed, then mixed, is mixed, then smoothed
    smooth = [cross_entropy(logits, torch.tensor([i]), label_smoothing=0.3).item() for i in range(3)]
    assert loss_of(logits, mixed, smoothing=0.3).item() == pytest.approx(0.3 * smooth[0] + 0.7 * smooth[1])


def test_mixed_and_smoothed_labels_cost_what_they_cost_in_torch() -> None:
    logits, _ = batch()
    mixed = torch.rand(50, CLASSES).softmax(1)
    torch.testing.assert_close(loss_of(logits, mixed, smoothing=0.2), cross_entropy(logits, mixed, label_smoothing=0.2))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
def test_the_focal_loss_is_its_formula(gamma: float, weights: Tensor | None) -> None:
    logits, targets = batch()
    weight = np.ones(CLASSES) if weights is None else weights.double().numpy()
    total = weighed = 0.0
    for row, target in zip(logits.detach().double().numpy(), targets.tolist(), strict=True):
        p = math.exp(row[target]) / sum(math.exp(value) for value in row)
        total += weight[target] * (1 - p) ** gamma * -math.log(p)
        weighed += weight[target]
    assert loss_of(logits, targets, weights=weights, gamma=gamma).item() == pytest.approx(total / weighed, rel=1e-5)


@pytest.mark.parametrize("alpha", [-1.0, 0.25])
def test_with_two_classes_the_focal_loss_is_that_of_torchvision(alpha: float) -> None:
    scores, targets = 3 * torch.randn(40, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 2
    # torchvision.ops.sigmoid_focal_loss, step by step
    p = torch.sigmoid(scores)
    theirs = binary_cross_entropy_with_logits(scores, targets.float(), reduction="none")
    p_t = p * targets + (1 - p) * (1 - targets)
    theirs = theirs * ((1 - p_t) ** 2)
    if alpha >= 0:
        theirs = (alpha * targets + (1 - alpha) * (1 - targets)) * theirs
    weights = torch.tensor([1 - alpha, alpha]) if alpha >= 0 else None
    logits = torch.stack([torch.zeros(40), scores], 1)
    ours = loss_of(logits, targets, weights=weights, gamma=2.0, total=torch.tensor(40.0))
    torch.testing.assert_close(ours, theirs.mean())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_logits_that_are_certain_have_slopes(gamma: float, smoothing: float) -> None:
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    loss_of(logits, torch.tensor([0, 0]), gamma=gamma, smoothing=smoothing).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_logit_adjustment_is_its_formula_and_survives_a_class_without_clips() -> None:
    logits, _ = batch()
    targets = torch.arange(50) % 3
    counts = torch.tensor([30, 15, 5, 0])
    training = Training(class_weights="none", logit_adjustment=0.7)
    ours = objective_of(training, None, counts)(logits, targets)
    prior = torch.tensor([0.6, 0.3, 0.1, 1 / 50])
    torch.testing.assert_close(ours, cross_entropy(logits + 0.7 * prior.log(), targets))
    assert torch.isfinite(torch.autograd.grad(ours, logits)[0]).all()
    torch.testing.assert_close(log_frequencies(counts).exp()[:3], prior[:3])


def test_a_loss_has_all_that_its_recipe_names_at_once() -> None:
    logits, targets = batch()
    counts = class_counts(targets.tolist(), CLASSES)
    training = Training(loss="focal", focal_gamma=1.5, label_smoothing=0.1, logit_adjustment=0.5)
    weights = class_weights(training, counts)
    assert weights is not None
    log_p = (logits + 0.5 * (counts / 50).log()).log_softmax(1)
    shares = 0.9 * torch.eye(CLASSES)[targets] + 0.1 / CLASSES
    expected = (-log_p * (1 - log_p.exp()) ** 1.5 * shares * weights).sum() / weights[targets].sum()
    torch.testing.assert_close(objective_of(training, weights, counts)(logits, targets), expected)
    # gamma is that of the focal loss alone
    plain = objective_of(Training(focal_gamma=1.5), None, counts)(logits, targets)
    torch.testing.assert_close(plain, cross_entropy(logits, targets))


def test_a_batch_in_parts_costs_what_it_costs_whole() -> None:
    logits, targets = batch()
    total = weight_of(targets, WEIGHTS, CLASSES)
    parts = [loss_of(logits[i : i + 20], targets[i : i + 20], weights=WEIGHTS, total=total) for i in (0, 20, 40)]
    torch.testing.assert_close(torch.stack(parts).sum(), cross_entropy(logits, targets, weight=WEIGHTS))


def weights_of(counts: Tensor, **settings: Any) -> np.ndarray:
    weights = class_weights(Training(**settings), counts)
    assert weights is not None
    return weights.numpy()


def test_inverse_class_weights_are_those_of_scikit_learn() -> None:
    targets = [0] * 17 + [1] * 3 + [2] * 5
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=np.array(targets))
    ours = weights_of(class_counts(targets, 3))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    # a class that nobody shows weighs nothing, and changes nothing
    absent = weights_of(class_counts(targets, 4))
    np.testing.assert_allclose(absent, [*theirs, 0], rtol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999])
def test_effective_class_weights_are_their_formula_with_a_mean_of_one_over_clips(beta: float) -> None:
    counts = [1166, 705, 399, 23, 0]
    raw = [(1 - beta) / (1 - beta**n) if n else 0 for n in counts]
    mean = sum(n * weight for n, weight in zip(counts, raw, strict=True)) / sum(counts)
    ours = weights_of(torch.tensor(counts), class_weights="effective", effective_beta=beta)
    np.testing.assert_allclose(ours, np.array(raw) / mean, rtol=1e-6)


def test_effective_weights_go_from_even_to_inverse() -> None:
    counts = torch.tensor([1166, 705, 23])
    even, nearly = (weights_of(counts, class_weights="effective", effective_beta=beta) for beta in (0.0, 0.9999999))
    np.testing.assert_allclose(even, 1, rtol=1e-6)
    np.testing.assert_allclose(nearly, weights_of(counts), rtol=1e-4)
    assert class_weights(Training(class_weights="none"), counts) is None
