"""Fitting a head to features."""

from emovoz.training.checkpoints import remove_checkpoint
from emovoz.training.examples import Examples, labelled_examples
from emovoz.training.fitting import Fitted, fit
from emovoz.training.pipeline import check_ready, new_head, train, train_head
from emovoz.training.randomness import clip_random

__all__ = [
    "Examples",
    "Fitted",
    "check_ready",
    "clip_random",
    "fit",
    "labelled_examples",
    "new_head",
    "remove_checkpoint",
    "train",
    "train_head",
]
