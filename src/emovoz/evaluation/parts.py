"""Folds of a cross-validation that are computed apart, by jobs next to each other, and put together afterwards."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emovoz.evaluation.mistakes import Mistake, ToldMistake
from emovoz.features import FeatureStore
from emovoz.files import write_whole


@dataclass(frozen=True)
class FoldResult:
    """What a fold gives in a run.

    Attributes:
        scores: of its test clips [clips, labels].
        thresholds: of the labels [labels].
        told: of the fit.
        weights: of layers.
        seconds: of training, and of evaluation [2].
        mistakes: the most confident ones, of the first seed.
    """

    scores: np.ndarray
    thresholds: np.ndarray
    told: Mapping[str, Any]
    weights: Mapping[str, Mapping[int, float]]
    seconds: np.ndarray
    mistakes: Sequence[Mistake | ToldMistake] = ()


@dataclass(frozen=True)
class KeptFolds:
    """Where the folds of a run are kept, a file each: RUNS/NAME.parts/MARK-TURN.json.

    Attributes:
        runs: folder of the finished runs.
        name: of the recipe.
        mark: of all that the run depends on.
    """

    runs: Path
    name: str
    mark: str

    def read(self, turn: int) -> FoldResult | None:
        """What is kept of a turn, None where nothing is, or nothing of this run."""
        try:
            kept = json.loads(self._place(turn).read_text(encoding="utf-8"))
            return FoldResult(
                np.array(kept["scores"]),
                np.array(kept["thresholds"]),
                kept["told"],
                {name: {int(layer): weight for layer, weight in of.items()} for name, of in kept["weights"].items()},
                np.array(kept["seconds"]),
                [ToldMistake(row) for row in kept["mistakes"]],
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, turn: int, result: FoldResult, store: FeatureStore) -> None:
        """Keep what a turn has given; features of its mistakes are in the store."""
        kept = {
            "scores": result.scores.tolist(),
            "thresholds": result.thresholds.tolist(),
            "told": result.told,
            "weights": result.weights,
            "seconds": result.seconds.tolist(),
            "mistakes": [one.told(store) for one in result.mistakes],
        }
        write_whole(self._place(turn), json.dumps(kept, ensure_ascii=False) + "\n")

    def remove(self) -> None:
        """Delete all of this recipe, once its run is kept as a whole."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        return self.runs / f"{self.name}.parts"

    def _place(self, turn: int) -> Path:
        return self._folder / f"{self.mark}-{turn}.json"
