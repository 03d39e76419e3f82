"""Optimisers and schedules: the rate of every step is arithmetic, and a fit is the loop one would write by hand."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import ReduceLROnPlateau

from emovoz.features import collate
from emovoz.settings import Training
from emovoz.training import fit
from emovoz.training.optimiser import Plateau, optimiser_of, schedule_of
from fits import LABELS, examples, head

Rate = Callable[[int], float]


def rates(steps: int, scores: Mapping[int, float] | None = None, **settings: Any) -> list[float]:
    """The rate of every step, in shares of the recipe's; `scores` come after these steps."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    schedule = schedule_of(optimiser, Training(**settings), steps)
    used = []
    for step in range(1, steps + 1):
        used.append(optimiser.param_groups[0]["lr"] / 0.2)
        optimiser.step()
        schedule.step()
        if isinstance(schedule, Plateau) and step in (scores or {}):
            schedule.judge((scores or {})[step])
    return used


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"schedule": "linear"}, lambda step: 1 - step / 20),
        ({"schedule": "linear", "warmup": 0.25}, lambda step: step / 5 if step < 5 else (20 - step) / 15),
        ({"schedule": "cosine"}, lambda step: (1 + math.cos(math.pi * step / 20)) / 2),
        (
            {"schedule": "cosine", "warmup": 0.25},
            lambda step: step / 5 if step < 5 else (1 + math.cos(math.pi * (step - 5) / 15)) / 2,
        ),
        ({"schedule": "none"}, lambda step: 1),
        ({"schedule": "none", "warmup": 0.25}, lambda step: min(1, step / 5)),
        ({"schedule": "plateau"}, lambda step: 1),
        ({"schedule": "plateau", "warmup": 0.25}, lambda step: min(1, step / 5)),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_the_rate_of_every_step_is_that_of_the_schedule(settings: dict[str, Any], rate: Rate) -> None:
    np.testing.assert_allclose(rates(20, **settings), [rate(step) for step in range(20)])


@pytest.mark.parametrize(
    ("patience", "scores", "halvings"),
    [
        # the first score is better than none; after that every validation that is not better counts
        (1, [0.5, 0.5, 0.6, 0.6, 0.59, 0.7], [0, 1, 1, 2, 3, 3]),
        (3, [0.5, 0.4, 0.5, 0.3, 0.4, 0.4, 0.4, 0.4], [0, 0, 0, 1, 1, 1, 2, 2]),
        # what is better by a hair starts the count again
        (2, [0.5, 0.4, 0.5 + 1e-12, 0.4, 0.4, 0.4, 0.4], [0, 0, 0, 0, 1, 1, 2]),
        # and better than the best of all is what counts, not better than the last
        (2, [0.5, 0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1, 2]),
        (10, [0.5] * 22, [0] * 10 + [1] * 10 + [2] * 2),
    ],
)
def test_on_a_plateau_the_rate_falls_at_the_nth_validation_and_the_count_starts_again(
    patience: int, scores: list[float], halvings: list[int]
) -> None:
    settings: dict[str, Any] = {"schedule": "plateau", "plateau_factor": 0.5, "plateau_patience": patience}
    used = rates(len(scores) + 1, dict(enumerate(scores, start=1)), **settings)
    assert used == [1, *(0.5**count for count in halvings)]


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_a_plateau_is_that_of_torch_which_counts_one_less(patience: int) -> None:
    scores = np.random.default_rng(patience).integers(0, 30, 200) / 30
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = ReduceLROnPlateau(
        optimiser, mode="max", factor=0.9, patience=patience - 1, threshold=0, min_lr=0, eps=0, threshold_mode="abs"
    )
    expected = []
    for score in scores:
        expected.append(optimiser.param_groups[0]["lr"])
        theirs.step(float(score))
    settings: dict[str, Any] = {"schedule": "plateau", "plateau_factor": 0.9, "plateau_patience": patience}
    used = rates(len(scores), {i: float(score) for i, score in enumerate(scores, start=1)}, **settings)
    np.testing.assert_allclose(used, expected)


def test_during_warm_up_a_plateau_lowers_what_the_rate_rises_to() -> None:
    settings: dict[str, Any] = {"schedule": "plateau", "plateau_factor": 0.5, "plateau_patience": 1, "warmup": 0.5}
    used = rates(8, {1: 0.5, 2: 0.5}, **settings)
    np.testing.assert_allclose(used, [0, 0.25, 0.25, 0.375, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize(
    ("name", "kind", "momentum"),
    [
        ("adamw", torch.optim.AdamW, None),
        ("adam", torch.optim.Adam, None),
        ("sgd", torch.optim.SGD, 0.7),
        ("rmsprop", torch.optim.RMSprop, 0.7),
    ],
)
def test_optimisers_are_those_of_torch_and_every_weight_is_in_one_group(
    name: Any, kind: type, momentum: float | None
) -> None:
    model = head()
    extra: dict[str, Any] = {} if momentum is None else {"momentum": momentum}
    optimiser = optimiser_of(model, Training(optimiser=name, **extra))
    assert type(optimiser) is kind
    assert {group.get("momentum") for group in optimiser.param_groups} == {momentum}
    held = [id(parameter) for group in optimiser.param_groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())


def by_hand(training: Training, rate: Rate, steps: int, **make: Any) -> dict[str, torch.Tensor]:
    """The weights after the loop that one would write: all clips in every step, whatever the recipe's batches."""
    model = head(dropout=0.0)
    clips = examples(36)
    batch = collate(list(clips.features), model.config.shapes)
    targets = torch.tensor(clips.targets)
    groups: list[dict[str, Any]] = []
    for name, parameter in model.named_parameters():
        layers = name.endswith("layer_weights")
        base = training.layer_learning_rate if layers else training.learning_rate
        decay = training.weight_decay if parameter.ndim > 1 else 0.0
        groups.append({"params": [parameter], "lr": base, "weight_decay": decay})
    optimiser = make["kind"](groups, **make.get("options", {}))
    bases = [group["lr"] for group in groups]
    for step in range(steps):
        for group, base in zip(optimiser.param_groups, bases, strict=True):
            group["lr"] = base * rate(step)
        optimiser.zero_grad()
        make.get("loss", cross_entropy)(model(**batch).logits, targets).backward()
        if training.gradient_clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), training.gradient_clip)
        optimiser.step()
    return model.state_dict()


def falling(step: int) -> float:
    return 1 - step / 6


def focal(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    costs = cross_entropy(logits, targets, reduction="none")
    return ((1 - torch.exp(-costs)) ** 3 * costs).mean()


EVEN: dict[str, Any] = {"class_weights": "none"}
SGD: dict[str, Any] = {"optimiser": "sgd", "learning_rate": 0.1, "layer_learning_rate": 0.5, "weight_decay": 0.1}
LOOPS: dict[str, tuple[dict[str, Any], Rate, dict[str, Any]]] = {
    "adamw": ({"weight_decay": 0.5}, falling, {"kind": torch.optim.AdamW}),
    "adam": ({"optimiser": "adam", "weight_decay": 0.5}, falling, {"kind": torch.optim.Adam}),
    "sgd": (SGD | {"momentum": 0.8}, falling, {"kind": torch.optim.SGD, "options": {"momentum": 0.8}}),
    "rmsprop": (
        {"optimiser": "rmsprop", "momentum": 0.5, "weight_decay": 0.1},
        falling,
        {"kind": torch.optim.RMSprop, "options": {"momentum": 0.5}},
    ),
    "cosine with warm-up": (
        SGD | {"schedule": "cosine", "warmup": 0.5, "momentum": 0.0},
        lambda step: step / 3 if step < 3 else (1 + math.cos(math.pi * (step - 3) / 3)) / 2,
        {"kind": torch.optim.SGD},
    ),
    "gradients clipped": (
        SGD | {"gradient_clip": 0.01, "momentum": 0.0, "schedule": "none"},
        lambda step: 1,
        {"kind": torch.optim.SGD},
    ),
    "gradients not clipped": (
        SGD | {"gradient_clip": 0.0, "momentum": 0.0, "learning_rate": 1.0},
        falling,
        {"kind": torch.optim.SGD},
    ),
    "accumulation": (
        SGD | {"accumulation": 4, "batch_size": 10},
        falling,
        {"kind": torch.optim.SGD, "options": {"momentum": 0.9}},
    ),
    "focal": (
        SGD | {"loss": "focal", "focal_gamma": 3.0, "momentum": 0.0},
        falling,
        {"kind": torch.optim.SGD, "loss": focal},
    ),
    "label smoothing": (
        SGD | {"label_smoothing": 0.3, "momentum": 0.0},
        falling,
        {"kind": torch.optim.SGD, "loss": lambda logits, targets: cross_entropy(logits, targets, label_smoothing=0.3)},
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_fit_is_the_loop_one_would_write_by_hand(name: str) -> None:
    settings, rate, make = LOOPS[name]
    training = Training(**{"epochs": 6, "batch_size": 36, "keep": "last", **EVEN, **settings})
    start = head(dropout=0.0).state_dict()
    ours = fit(head(dropout=0.0), examples(36), None, training).head.state_dict()
    expected = by_hand(training, rate, 6, **make)
    for parameter, there in expected.items():
        torch.testing.assert_close(ours[parameter], there, atol=2e-5, rtol=1e-4)
    moved = max(float((expected[name] - start[name]).abs().max()) for name in start)
    assert moved > 1e-3


@pytest.mark.parametrize("settings", [{}, {"class_weights": "effective", "effective_beta": 0.9}, {"loss": "focal"}])
def test_accumulated_batches_step_as_one_batch_as_large_even_with_class_weights(settings: dict[str, Any]) -> None:
    # a third of the clips of the third label: what a batch weighs differs from batch to batch
    clips = examples(60).select([i for i in range(60) if i % 3 < 2 or i % 9 == 2])
    whole, parts = (
        fit(head(dropout=0.0), clips, None, Training(**{**SGD, "epochs": 4, "keep": "last", **size, **settings}))
        for size in ({"batch_size": 48}, {"batch_size": 11, "accumulation": 5})
    )
    for name, there in whole.head.state_dict().items():
        torch.testing.assert_close(parts.head.state_dict()[name], there, atol=1e-5, rtol=1e-4)
    for one, other in zip(whole.history, parts.history, strict=True):
        assert one == {**other, "loss": pytest.approx(other["loss"], rel=1e-4)}


def test_bfloat16_learns_much_the_same_and_leaves_a_head_in_float32() -> None:
    dev = examples(30, 1)
    full, half = (
        fit(head(), examples(60), dev, Training(precision=precision, epochs=8, learning_rate=0.01))
        for precision in ("float32", "bfloat16")
    )
    assert {tensor.dtype for tensor in half.head.state_dict().values()} == {torch.float32}
    assert half.history[0]["loss"] != full.history[0]["loss"]
    assert half.history[0]["loss"] == pytest.approx(full.history[0]["loss"], rel=0.02)
    batch = collate(list(dev.features), half.head.config.shapes)
    with torch.inference_mode():
        logits = half.head(**batch).logits
    assert logits.dtype == torch.float32
    assert logits.shape == (30, len(LABELS))
    # what a head says is not rounded to bfloat16
    assert not torch.equal(logits, logits.bfloat16().float())
