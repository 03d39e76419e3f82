"""Fitting a head to features."""

from emovoz.training.examples import Examples, stored_examples
from emovoz.training.fitting import Fitted, fit
from emovoz.training.pipeline import new_head, train, train_head

__all__ = ["Examples", "Fitted", "fit", "new_head", "stored_examples", "train", "train_head"]
