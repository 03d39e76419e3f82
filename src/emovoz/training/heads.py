"""Heads as a recipe asks for them, before they are fitted."""

from collections.abc import Iterator
from threading import Lock

import torch

from emovoz.errors import InputError
from emovoz.features import FrozenEncoders
from emovoz.model import Head, HeadConfig
from emovoz.model.saved import untrained_layers
from emovoz.model.tuned import TunedHead
from emovoz.recipe import Recipe
from emovoz.settings import Augmentation

_DRAWING = Lock()
"""torch's random state is one for all threads."""


def new_head(recipe: Recipe, encoders: FrozenEncoders, labels: tuple[str, ...]) -> Head:
    """An untrained head, its weights decided by the recipe's seed; a tuned one where the recipe tunes an encoder.

    Raises:
        InputError: heads that do not divide a width, or stretches to be shown to a head that sees pooled vectors.
    """
    with _DRAWING, torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed)
        tuned = untrained_layers(encoders)
        head = Head(HeadConfig.of(recipe.model, encoders.shapes, labels, adapts=not tuned))
        head = TunedHead.around(head, tuned) if tuned else head
    faults = list(_unshown(head, recipe.augmentation))
    if faults:
        raise InputError(faults)
    return head


def _unshown(head: Head, augmentation: Augmentation) -> Iterator[str]:
    """What would be shown to a head before pooling, but is not: it needs no projection to the width it asks for."""
    crops = augmentation.crop_seconds is not None and augmentation.crop == "features"
    shown = {"crop_seconds": crops, "spec_augment": augmentation.spec_augment is not None}
    if head.pooling_is_fixed and "speech" in head.config.shapes:
        yield from (
            f"augmentation.{name} needs a head that learns before pooling: model.width {head.config.width} is the "
            "width that there is, so nothing has to be projected; choose another, or model.layer_norm true"
            for name, asked in shown.items()
            if asked
        )
