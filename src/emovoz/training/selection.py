"""The head that a recipe asks for: settings chosen, then fitted, then calibrated, all within the training clips."""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from emovoz import processes
from emovoz.corpus.splits import TooFewClipsError
from emovoz.inference.temperature import tempered
from emovoz.model import Head
from emovoz.progress import progress
from emovoz.recipe import Recipe
from emovoz.training.calibration import calibrated
from emovoz.training.candidates import Candidate
from emovoz.training.examples import Examples
from emovoz.training.pooled import scored
from emovoz.training.thresholds import macro_f1
from emovoz.training.trials import Trial, Work, fitted_together, learned, tried


@dataclass(frozen=True)
class Trained:
    """A head with all that decides by it.

    Attributes:
        head: fitted, in eval mode.
        chosen: number of the candidate whose head it is.
        history: what each validation gave.
        temperature, thresholds: fitted to clips held out; None where none are.
        selected: what was chosen, by which clips, and the macro-F1 of all candidates there; None where there was
            nothing to choose.
        held_out: macro-F1 on clips held out, which clips these are and how many; None where none were.
    """

    head: Head
    chosen: int
    history: list[dict[str, Any]]
    temperature: float | None = None
    thresholds: dict[str, float] | None = None
    selected: dict[str, Any] | None = None
    held_out: dict[str, Any] | None = None

    def scored(self, examples: Examples) -> np.ndarray:
        """Probabilities [clips, labels] of clips as the candidate that was chosen sees them."""
        return tempered(scored(self.head, examples), self.temperature)

    def told(self) -> dict[str, Any]:
        """What results.json says of it."""
        return {
            "epochs": self.history,
            "thresholds": self.thresholds,
            "temperature": self.temperature,
            "selected": self.selected,
        }


def train_head(work: Work, candidates: Sequence[Candidate], *, measure: bool = False) -> Trained:
    """Choose among candidates, fit a head, and calibrate what it says, all within the clips of this work.

    The candidate with the best macro-F1 on clips held out is taken, the first of equally good ones; its scores of these
    clips give temperature and thresholds. The head that is kept then learns from them too, unless they chose its state.
    Out-of-fold scores come from heads that have learned from a part of the clips, so from somewhat weaker ones.

    Args:
        work: the clips, and how they are divided.
        candidates: at least one, each with the clips of the work.
        measure: hold clips out where nothing is decided by them too, for the history alone; a corpus too small for
            that is trained on all the same.

    Raises:
        InputError: clips have to be held out, and are too few for it.
    """
    recipe, dev = candidates[0].recipe, candidates[0].dev is not None
    needed = dev or recipe.training.chooses_epoch or holds_out(recipe)
    calibrates = needed or (recipe.closed_form and recipe.training.temperature is None)
    trials: list[Trial] = []
    if calibrates or measure:
        with nullcontext() if needed else suppress(TooFewClipsError):
            trials = _trials(work, candidates)
    scores = [macro_f1(trial.targets, trial.scores.argmax(1), len(work.labels)) for trial in trials]
    # the first of the best: rounded, so that what differs by the order of a sum is equal
    chosen = processes.from_first(int(np.round(scores, 12).argmax()) if scores else 0)
    candidate, trial = candidates[chosen], trials[chosen] if trials else None
    fitted = (trial and trial.fitted) or learned(work, [candidate])[0]
    if trial is None:
        return Trained(fitted.head, chosen, fitted.history)
    temperature, thresholds = (
        calibrated(trial.targets, trial.scores, candidate.recipe.training, work.labels) if calibrates else (None, None)
    )
    selected = _selected([one.recipe for one in candidates], chosen, scores, trial) if recipe.selection.grid else None
    held_out = {"macro_f1": scores[chosen], "by": trial.by, "clips": len(trial.targets)}
    history = trial.history or fitted.history
    return Trained(fitted.head, chosen, history, temperature, thresholds, selected, held_out)


def holds_out(recipe: Recipe) -> bool:
    """Whether a recipe asks for something that only clips held out can tell, its epoch aside."""
    training, selection = recipe.training, recipe.selection
    calibrated = training.thresholds or training.temperature is True
    return bool(selection.grid) or calibrated or (selection.folds is not None and training.temperature is not False)


def _trials(work: Work, candidates: Sequence[Candidate]) -> list[Trial]:
    trials: dict[int, Trial] = {}
    with progress(f"choosing among {len(candidates)}", len(candidates) if len(candidates) > 1 else 0) as advance:
        for numbers in fitted_together(candidates):
            named = work.of(f"candidate{numbers[0]}" if len(candidates) > 1 else "")
            trials |= zip(numbers, tried(named, [candidates[number] for number in numbers]), strict=True)
            advance(len(numbers))
    return [trials[number] for number in range(len(candidates))]


def _selected(recipes: Sequence[Recipe], chosen: int, scores: Sequence[float], trial: Trial) -> dict[str, Any]:
    return {
        "settings": recipes[chosen].chosen,
        "macro_f1": scores[chosen],
        "by": trial.by,
        "clips": len(trial.targets),
        "candidates": [{"settings": one.chosen, "macro_f1": score} for one, score in zip(recipes, scores, strict=True)],
    }
