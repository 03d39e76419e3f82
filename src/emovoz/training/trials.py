"""Trials: a candidate's scores of clips that were held out of the heads that give them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emovoz.corpus import Corpus, held_out, inner_folds
from emovoz.training.adapted import adapted_examples
from emovoz.training.candidates import Candidate
from emovoz.training.checkpoints import Checkpoint
from emovoz.training.examples import Examples
from emovoz.training.fitting import Fitted, fit
from emovoz.training.heads import new_head
from emovoz.training.pooled import scored
from emovoz.training.tracking import Run

MODEL = "model"
"""The fit of the head that is kept, by its name in checkpoints."""


@dataclass(frozen=True)
class Work:
    """What a head is fitted to, and what its fits are called.

    Attributes:
        corpus: labelled clips.
        labels: what the head tells apart.
        group: what must not be shared by clips held out and the others.
        checkpoint: where the states of the fits are kept.
        part: of the work that this is; a tracker's run is named after it.
        fit: of this part; empty for that of the head that is kept.
    """

    corpus: Corpus
    labels: tuple[str, ...]
    group: str = "speaker"
    checkpoint: Checkpoint | None = None
    part: str = ""
    fit: str = ""

    def select(self, positions: Sequence[int]) -> "Work":
        """The same with the clips at these positions."""
        return replace(self, corpus=self.corpus.select(positions))

    def of(self, fit: str) -> "Work":
        """The same for a fit of its own."""
        return replace(self, fit="-".join(filter(None, [self.fit, fit])))


@dataclass(frozen=True)
class Trial:
    """What became of a candidate on clips held out.

    Attributes:
        targets: of the clips held out, class indices [clips].
        scores: of these clips by heads that were not fitted to them, probabilities [clips, labels].
        by: which clips these are, in words.
        history: of the fit, where there is a single one.
        fitted: the head, where what is left without these clips is all that the head that is kept shall learn from.
    """

    targets: np.ndarray
    scores: np.ndarray
    by: str
    history: list[dict[str, Any]]
    fitted: Fitted | None = None


def tried(work: Work, candidate: Candidate) -> Trial:
    """Try a candidate: on its dev clips; or on each part of the clips in turn, fitted to the others.

    Raises:
        InputError: the clips are too few for any to be held out.
    """
    recipe, examples = candidate.recipe, candidate.examples
    if candidate.dev is not None:
        return _judged(_fitted(work, candidate, examples, candidate.dev), candidate, candidate.dev, "the dev clips")
    if recipe.inner_folds == 1:
        return _on_a_part(work, candidate)
    scores = np.zeros((len(examples), len(work.labels)))
    parts = inner_folds(work.corpus, recipe.inner_folds, group=work.group, seed=recipe.training.seed)
    for number, (rest, held) in enumerate(parts):
        fitted = learned(work.select(rest).of(f"inner{number}"), candidate.select(rest))
        scores[held] = _heard(fitted, candidate, examples.select(held))
    return Trial(np.array(examples.targets), scores, f"{len(parts)} inner folds", [])


def learned(work: Work, candidate: Candidate) -> Fitted:
    """A head that has learned from all clips, but for those held out to choose its state where none are given."""
    if candidate.recipe.training.chooses_epoch and candidate.dev is None:
        chosen = _on_a_part(work, candidate).fitted
        assert chosen is not None
        return chosen
    return _fitted(work, candidate, candidate.examples, candidate.dev)


def _on_a_part(work: Work, candidate: Candidate) -> Trial:
    training, examples = candidate.recipe.training, candidate.examples
    rest, held = held_out(work.corpus, training.dev_fraction, group=work.group, seed=training.seed)
    judges = examples.select(held)
    # where it does not choose the state, the head that is kept learns from this part too, in a fit of its own
    named = work if training.chooses_epoch else work.of("held-out")
    trial = _judged(_fitted(named, candidate, examples.select(rest), judges), candidate, judges, "a part held out")
    return trial if training.chooses_epoch else replace(trial, fitted=None)


def _judged(fitted: Fitted, candidate: Candidate, judges: Examples, by: str) -> Trial:
    scores = _heard(fitted, candidate, judges)
    return Trial(np.array(judges.targets), scores, by, fitted.history, fitted)


def _heard(fitted: Fitted, candidate: Candidate, examples: Examples) -> np.ndarray:
    """Probabilities [clips, labels] of clips that were held out, their speakers adapted to as those of test clips."""
    training = candidate.recipe.training
    return scored(fitted.head, adapted_examples(fitted.head, examples, training.adapt, training.seed))


def _fitted(work: Work, candidate: Candidate, examples: Examples, dev: Examples | None) -> Fitted:
    recipe = candidate.recipe
    return fit(
        new_head(recipe, candidate.encoders, work.labels),
        examples,
        dev,
        recipe.training,
        augmentation=recipe.augmentation,
        checkpoint=work.checkpoint and work.checkpoint.of(work.fit or MODEL),
        run=Run.of(recipe, "-".join(filter(None, [work.part, work.fit]))),
    )
