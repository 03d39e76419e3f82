"""fit: a head and examples in, a fitted head out; which way is for the recipe to say."""

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from emovoz import processes
from emovoz.model import Head
from emovoz.settings import Augmentation, Training
from emovoz.training.adapted import adapted_examples, fit_adaptation
from emovoz.training.checkpoints import Checkpoint
from emovoz.training.examples import Examples
from emovoz.training.finite import check_weights
from emovoz.training.pooled import pooled_examples

if TYPE_CHECKING:
    from emovoz.training.tracking import Run

NOTHING_VARIED = Augmentation()
_WEIGHTS, _HISTORY = "fitted.safetensors", "history.json"


@dataclass(frozen=True)
class Fitted:
    """A fitted head in eval mode, and what each validation gave (nothing for a closed form)."""

    head: Head
    history: list[dict[str, Any]] = field(default_factory=list)


def fit(
    head: Head,
    examples: Examples,
    dev: Examples | None,
    training: Training,
    *,
    augmentation: Augmentation = NOTHING_VARIED,
    checkpoint: Checkpoint | None = None,
    run: "Run | None" = None,
) -> Fitted:
    """Fit a head.

    Args:
        head: its weights are the start, and are changed.
        examples: to learn from.
        dev: to choose or judge the states by; None keeps the last.
        training: the settings.
        augmentation: what the clips are shown as, while it is fitted by gradient.
        checkpoint: where the state is kept while it is fitted by gradient, and taken up again.
        run: as what a tracker is told of it while it is fitted by gradient; None tells none.

    Raises:
        InputError: features that are not finite, by the ids of their clips, or a loss that stopped being a number.
    """
    if training.method != "gradient":
        return fit_alike([head], examples, [training])[0]
    examples = _adapted(head, examples, training)
    if head.adaptation is not None and dev is not None:
        dev = adapted_examples(head, pooled_examples(head, dev), training.adapt, training.seed)
    # transformers prints a line as it is imported where WANDB_MODE is offline; stdout is for results
    with redirect_stdout(sys.stderr):
        from emovoz.training.gradient import fit_by_gradient

    if checkpoint is None:
        return _checked(Fitted(*fit_by_gradient(head, examples, dev, training, augmentation, run=run)))
    done = _finished(head, checkpoint)
    if done is None:
        done = _checked(Fitted(*fit_by_gradient(head, examples, dev, training, augmentation, checkpoint, run)))
        if processes.is_first():
            _keep_finished(done, checkpoint)
        # so that no process looks for the state of another fit while checkpoints change
        processes.wait()
    return done


def fit_alike(heads: Sequence[Head], examples: Examples, trainings: Sequence[Training]) -> list[Fitted]:
    """Fit heads in closed form that differ in `training.regularisation` alone; what they share is done once.

    Args:
        heads: of the same settings; they are changed.
        examples: to learn from.
        trainings: the settings for each head.
    """
    from emovoz.training.closed_form import fit_in_closed_form

    fit_in_closed_form(heads, _adapted(heads[0], examples, trainings[0]), trainings)
    return [_checked(Fitted(head)) for head in heads]


def _checked(fitted: Fitted) -> Fitted:
    check_weights(fitted.head)
    return fitted


def _adapted(head: Head, examples: Examples, training: Training) -> Examples:
    """The usual voice measured, where the head is to know one, and what is learned from adapted to it."""
    if head.adaptation is None:
        return examples
    examples = pooled_examples(head, examples)
    fit_adaptation(head, examples)
    # by all of them however many will enrol: shrunk statistics of few bring test clips to the same place
    return adapted_examples(head, examples, "none" if training.adapt == "none" else "all", training.seed)


def _finished(head: Head, checkpoint: Checkpoint) -> Fitted | None:
    """What a fit gave before training was stopped; None where it had not ended."""
    state = checkpoint.state()
    if state is None or not (state / _HISTORY).is_file():
        return None
    head.load_state_dict(load_file(state / _WEIGHTS))
    return Fitted(head.eval(), json.loads((state / _HISTORY).read_text()))


def _keep_finished(fitted: Fitted, checkpoint: Checkpoint) -> None:
    with checkpoint.writing() as folder:
        save_file(fitted.head.state_dict(), folder / _WEIGHTS)
        (folder / _HISTORY).write_text(json.dumps(fitted.history))
