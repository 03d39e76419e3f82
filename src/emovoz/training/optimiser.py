"""The optimiser, and the course of its learning rate."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from emovoz.model.tuned import TUNED, TunedHead
from emovoz.settings import Training


def optimiser_of(model: nn.Module, training: Training) -> Optimizer:
    """The optimiser of a recipe; layer weights and adapters learn at their own rates, and only matrices decay.

    Adam adds the decay to the gradient, as sgd and rmsprop do; AdamW takes it off the weights (Loshchilov and Hutter
    2019).
    """
    adapters = model.adapter_groups if isinstance(model, TunedHead) else []
    named = [(name, parameter) for name, parameter in model.named_parameters() if not name.startswith(TUNED)]
    layers = [parameter for name, parameter in named if name.endswith("layer_weights")]
    vectors = [parameter for name, parameter in named if parameter.ndim < 2 and not name.endswith("layer_weights")]
    matrices = [parameter for _, parameter in named if parameter.ndim > 1]
    groups = [
        {"params": matrices, "lr": training.learning_rate, "weight_decay": training.weight_decay},
        {"params": vectors, "lr": training.learning_rate, "weight_decay": 0.0},
        {"params": layers, "lr": training.layer_learning_rate, "weight_decay": 0.0},
        *({**group, "weight_decay": training.weight_decay} for group in adapters),
    ]
    there: Any = [group for group in groups if group["params"]]
    match training.optimiser:
        case "adamw":
            return torch.optim.AdamW(there, fused=True)
        case "adam":
            return torch.optim.Adam(there, fused=True)
        case "sgd":
            return torch.optim.SGD(there, momentum=training.momentum)
        case "rmsprop":
            return torch.optim.RMSprop(there, momentum=training.momentum)


def schedule_of(optimiser: Any, training: Training, steps: int) -> LRScheduler:
    """The schedule of a recipe.

    Args:
        optimiser: whose rates rise from zero during warm-up and then follow the schedule, each in its proportion.
        training: the settings.
        steps: how many there will be at most.
    """
    warmup = round(training.warmup * steps)
    if training.schedule == "plateau":
        return Plateau(optimiser, warmup, training.plateau_factor, training.plateau_patience)
    name = "constant_with_warmup" if training.schedule == "none" else training.schedule
    return get_scheduler(name, optimiser, num_warmup_steps=warmup, num_training_steps=steps)


class Plateau(LRScheduler):
    """Multiplies the rates by a factor at every `patience`-th validation in a row without a better score.

    Then the count begins again; better means higher than every score before, by however little. torch's own
    ReduceLROnPlateau waits for one validation more, and knows no warm-up.

    Args:
        optimiser: whose rates they are.
        warmup: steps in which the rates rise from zero.
        factor: what the rates are multiplied by.
        patience: validations in a row.
    """

    def __init__(self, optimiser: Optimizer, warmup: int, factor: float, patience: int) -> None:
        self.warmup, self.factor, self.patience = warmup, factor, patience
        self.best, self.since, self.reduction = -math.inf, 0, 1.0
        super().__init__(optimiser)

    def get_lr(self) -> list[Any]:
        """The rate of each group after `last_epoch` steps."""
        risen = min(1.0, self.last_epoch / self.warmup) if self.warmup else 1.0
        return [rate * risen * self.reduction for rate in self.base_lrs]

    def judge(self, score: float) -> None:
        """Take in the score of a validation; the next step has the rate that follows from it."""
        if score > self.best:
            self.best, self.since = score, 0
            return
        self.since += 1
        if self.since == self.patience:
            self.since, self.reduction = 0, self.reduction * self.factor
            self._last_lr = self.get_lr()
            for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
                group["lr"] = rate
