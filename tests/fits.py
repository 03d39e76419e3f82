"""Clips, heads and fits that several tests of training share."""

from typing import Any

import numpy as np
import torch

from emovoz.features import ClipFeatures
from emovoz.inference import probabilities
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.settings import Model
from emovoz.training import Fitted
from emovoz.training.examples import Examples

LABELS = ["anger", "joy", "sadness"]


def examples(
    clips: int, seed: int = 0, *, layers: int = 2, text: bool = False, informative: int | None = None
) -> Examples:
    """Random features whose mean depends on the label; with `informative`, only in that layer."""
    random = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(3, 8))
    features, targets = [], []
    for i in range(clips):
        target = i % 3
        values = random.normal(size=(layers, int(random.integers(5, 30)), 8))
        values[slice(None) if informative is None else informative] += directions[target]
        by_modality = {"speech": torch.tensor(values).half()}
        if text:
            by_modality["text"] = torch.tensor(random.normal(size=(2, 6, 4)) + directions[target, :4]).half()
        features.append(ClipFeatures(by_modality))
        targets.append(target)
    return Examples(features, targets, [str(i) for i in range(clips)])


def head(seed: int = 0, *, layers: int = 2, text: bool = False, **model: Any) -> EmotionHead:
    torch.manual_seed(seed)
    shapes = {"speech": (layers, 8), **({"text": (2, 4)} if text else {})}
    return EmotionHead(EmotionHeadConfig.of(Model(**model), shapes, LABELS))


def accuracy(fitted: Fitted, test: Examples) -> float:
    return float((probabilities(fitted.head, test.features).argmax(1) == test.targets).mean())


def tensors(fitted: Fitted) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in fitted.head.state_dict().items()}
