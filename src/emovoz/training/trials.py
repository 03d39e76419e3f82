"""Trials: a candidate's scores of clips that were held out of the heads that give them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from emovoz.corpus import Corpus, held_out, inner_folds
from emovoz.threads import several_at_once
from emovoz.training.adapted import adapted_examples
from emovoz.training.candidates import Candidate
from emovoz.training.checkpoints import Checkpoint
from emovoz.training.examples import Examples
from emovoz.training.fitting import Fitted, fit, fit_alike
from emovoz.training.heads import new_head
from emovoz.training.pooled import scored
from emovoz.training.tracking import Run

R = TypeVar("R")
MEMORY = 2 * 10**9
"""Bytes that fits next to each other may need together."""
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


def tried(work: Work, alike: Sequence[Candidate]) -> list[Trial]:
    """Try candidates: on their dev clips; or on each part of the clips in turn, fitted to the others.

    Args:
        work: the clips, and what the fits are called.
        alike: a candidate, or several that `fitted_together` puts together.

    Raises:
        InputError: the clips are too few for any to be held out.
    """
    recipe, examples, dev = alike[0].recipe, alike[0].examples, alike[0].dev
    if dev is not None:
        fits = _fitted(work, alike, examples, dev)
        return [_judged(fitted, one, dev, "the dev clips") for fitted, one in zip(fits, alike, strict=True)]
    if recipe.inner_folds == 1:
        return _on_a_part(work, alike)
    scores = np.zeros((len(alike), len(examples), len(work.labels)))
    parts = inner_folds(work.corpus, recipe.inner_folds, group=work.group, seed=recipe.training.seed)

    def without(number: int) -> list[np.ndarray]:
        rest, held = parts[number]
        fits = learned(work.select(rest).of(f"inner{number}"), [one.select(rest) for one in alike])
        judges = examples.select(held)
        return [_heard(fitted, one, judges) for fitted, one in zip(fits, alike, strict=True)]

    for (_, held), heard in zip(parts, work_through(without, range(len(parts)), alike), strict=True):
        scores[:, held] = heard
    return [Trial(np.array(examples.targets), row, f"{len(parts)} inner folds", []) for row in scores]


def work_through(work: Callable[[int], R], numbers: Sequence[int], candidates: Sequence[Candidate]) -> Iterator[R]:
    """What the work gives for each number; several at once where all candidates are fitted in closed form."""
    if not all(one.recipe.closed_form and one.examples.pooled for one in candidates):
        return map(work, numbers)
    # the vectors in double precision, and twice more while they are taken apart
    clips = [clip for one in candidates for clip in one.examples.features]
    need = max(sum(vector.numel() for vector in clip.by_modality.values()) for clip in clips)
    return several_at_once(work, numbers, most=MEMORY // max(24 * need * len(candidates[0].examples), 1))


def learned(work: Work, alike: Sequence[Candidate]) -> list[Fitted]:
    """Heads that have learned from all clips, but for those held out to choose a state where no dev clips are given.

    Arguments as in `tried`.
    """
    if alike[0].recipe.training.chooses_epoch and alike[0].dev is None:
        return [trial.fitted for trial in _on_a_part(work, alike) if trial.fitted]
    return _fitted(work, alike, alike[0].examples, alike[0].dev)


def fitted_together(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Numbers of the candidates, those together that are fitted together: in closed form, to the same clips."""
    groups: dict[str, list[int]] = {}
    for number, one in enumerate(candidates):
        closed = one.recipe.training.method != "gradient"
        rest = one.recipe.model_dump_json(exclude={"training": {"regularisation"}})
        groups.setdefault(rest if closed else str(number), []).append(number)
    return list(groups.values())


def _on_a_part(work: Work, alike: Sequence[Candidate]) -> list[Trial]:
    training, examples = alike[0].recipe.training, alike[0].examples
    rest, held = held_out(work.corpus, training.dev_fraction, group=work.group, seed=training.seed)
    judges = examples.select(held)
    # where it does not choose the state, the head that is kept learns from this part too, in a fit of its own
    named = work if training.chooses_epoch else work.of("held-out")
    fits = _fitted(named, alike, examples.select(rest), judges)
    trials = [_judged(fitted, one, judges, "a part held out") for fitted, one in zip(fits, alike, strict=True)]
    return trials if training.chooses_epoch else [replace(trial, fitted=None) for trial in trials]


def _judged(fitted: Fitted, candidate: Candidate, judges: Examples, by: str) -> Trial:
    scores = _heard(fitted, candidate, judges)
    return Trial(np.array(judges.targets), scores, by, fitted.history, fitted)


def _heard(fitted: Fitted, candidate: Candidate, examples: Examples) -> np.ndarray:
    """Probabilities [clips, labels] of clips that were held out, their speakers adapted to as those of test clips."""
    training = candidate.recipe.training
    return scored(fitted.head, adapted_examples(fitted.head, examples, training.adapt, training.seed))


def _fitted(work: Work, alike: Sequence[Candidate], examples: Examples, dev: Examples | None) -> list[Fitted]:
    heads = [new_head(one.recipe, one.encoders, work.labels) for one in alike]
    recipe = alike[0].recipe
    if recipe.training.method != "gradient":
        return fit_alike(heads, examples, [one.recipe.training for one in alike])
    (head,) = heads
    fitted = fit(
        head,
        examples,
        dev,
        recipe.training,
        augmentation=recipe.augmentation,
        checkpoint=work.checkpoint and work.checkpoint.of(work.fit or MODEL),
        run=Run.of(recipe, "-".join(filter(None, [work.part, work.fit]))),
    )
    return [fitted]
