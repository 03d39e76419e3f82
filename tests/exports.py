"""Recognisers to export, their heads of random weights: what is compared is the arithmetic."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from emovoz import Recipe, Recognizer
from emovoz.features import FrozenEncoders
from emovoz.inference import Prediction
from emovoz.model import EmotionHead, EmotionHeadConfig

LABELS = ["anger", "fear", "joy"]


def recognizer_of(name: str, *settings: str, scale: float = 0.1, temperature: float | None = 1.5) -> Recognizer:
    """A recogniser of a shipped recipe with these settings, whose head nobody trained."""
    torch.manual_seed(0)
    recipe = Recipe.load(name, settings)
    encoders = FrozenEncoders.of(recipe)
    head = EmotionHead(EmotionHeadConfig.of(recipe.model, encoders.shapes, LABELS)).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return Recognizer(head, encoders, recipe, name="untrained", temperature=temperature)


def tiny(whisper: Path, bert: Path) -> list[str]:
    """Settings that put tiny encoders into the place of those of a recipe."""
    models = [f"speech.model={whisper}", f"text.model={bert}"]
    return [*models, "speech.layers=all", "text.layers=all"]


def largest_gap(ours: Sequence[Prediction], theirs: Sequence[Prediction]) -> float:
    """The largest difference in a probability; all else must be the same."""
    assert [(one.id, one.modalities, one.seconds, one.error) for one in ours] == [
        (one.id, one.modalities, one.seconds, one.error) for one in theirs
    ]
    gaps = [
        np.abs(np.subtract([*one.scores.values()], [*other.scores.values()])).max()
        for one, other in zip(ours, theirs, strict=True)
        if one.error is None
    ]
    return float(max(gaps))
