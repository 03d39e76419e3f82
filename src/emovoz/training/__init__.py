"""Fitting a head to features."""

from emovoz.randomness import clip_random
from emovoz.training.checkpoints import remove_checkpoint
from emovoz.training.examples import Examples, labelled_examples
from emovoz.training.fitting import Fitted, fit
from emovoz.training.pipeline import (
    check_labels,
    check_ready,
    encoded_examples,
    new_head,
    train,
    train_head,
    what_decides,
)

__all__ = [
    "Examples",
    "Fitted",
    "check_labels",
    "check_ready",
    "clip_random",
    "encoded_examples",
    "fit",
    "labelled_examples",
    "new_head",
    "remove_checkpoint",
    "train",
    "train_head",
    "what_decides",
]
