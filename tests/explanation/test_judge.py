"""What is asked about altered clips: rightly, and without all of them in memory."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch

from emovoz import Recognizer
from emovoz.explanation import Judge, judge_of
from emovoz.explanation.judge import Features
from emovoz.features import ClipFeatures


def test_altered_clips_are_in_memory_a_few_at_a_time(untrained: Recognizer) -> None:
    there, most = 0, 0

    def scores(clips: Sequence[ClipFeatures]) -> np.ndarray:
        nonlocal there, most
        most, there = max(most, there), 0
        chances = [float(clip.by_modality["speech"]) for clip in clips]
        return np.array([[chance, 1 - chance] for chance in chances])

    def variants() -> Iterator[Features]:
        nonlocal there
        for chance in np.linspace(0.1, 0.9, 100):
            there += 1
            yield {"speech": torch.tensor(chance)}

    judge = Judge(judge_of(untrained).encoders, ("joy", "fear"), scores)
    whole, others = judge.log_odds({"speech": torch.tensor(0.5)}, variants(), "joy")
    assert whole == 0
    odds = np.linspace(0.1, 0.9, 100) / np.linspace(0.9, 0.1, 100)
    assert others == pytest.approx(np.log(odds), abs=1e-5)
    assert most <= 8
