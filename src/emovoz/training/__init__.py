"""Fitting a head to features."""

from emovoz.randomness import clip_random
from emovoz.training.candidates import Candidate, check_heads, encoded_candidates, encoders_of, views_of_each
from emovoz.training.checkpoints import remove_checkpoint
from emovoz.training.examples import Examples, labelled_examples
from emovoz.training.fitting import Fitted, fit
from emovoz.training.heads import new_head
from emovoz.training.pipeline import check_labels, check_ready, train, what_decides
from emovoz.training.selection import Trained, train_head
from emovoz.training.trials import Work, work_through

__all__ = [
    "Candidate",
    "Examples",
    "Fitted",
    "Trained",
    "Work",
    "check_heads",
    "check_labels",
    "check_ready",
    "clip_random",
    "encoded_candidates",
    "encoders_of",
    "fit",
    "labelled_examples",
    "new_head",
    "remove_checkpoint",
    "train",
    "train_head",
    "views_of_each",
    "what_decides",
    "work_through",
]
