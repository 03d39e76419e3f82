"""fit: a head and examples in, a fitted head out; which way is for the recipe to say."""

from dataclasses import dataclass, field
from typing import Any

from emovoz.model import EmotionHead
from emovoz.recipe import Training
from emovoz.training.examples import Examples


@dataclass(frozen=True)
class Fitted:
    """A fitted head, in eval mode, and what each epoch gave (nothing for a closed form)."""

    head: EmotionHead
    history: list[dict[str, Any]] = field(default_factory=list)


def fit(head: EmotionHead, examples: Examples, dev: Examples | None, training: Training) -> Fitted:
    """Fit a head.

    Args:
        head: its weights are the start, and are changed.
        examples: to learn from.
        dev: to choose or judge the epochs by; None keeps the last.
        training: the settings.

    Raises:
        FloatingPointError: the loss stopped being a number.
    """
    if training.method == "logistic_regression":
        from emovoz.training.closed_form import fit_logistic_regression

        return Fitted(fit_logistic_regression(head, examples, training))
    from emovoz.training.gradient import fit_by_gradient

    return Fitted(*fit_by_gradient(head, examples, dev, training))
