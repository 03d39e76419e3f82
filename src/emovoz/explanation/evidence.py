"""Evidence: what of a clip speaks for a label, by its features alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emovoz.corpus import Clip
from emovoz.explanation.judge import Features, Judge
from emovoz.explanation.modalities import Modalities, modalities_of
from emovoz.explanation.seconds import SecondScore, second_scores
from emovoz.explanation.words import WordScore, word_scores


@dataclass(frozen=True)
class Evidence:
    """Which seconds and words of a clip speak for a label, and how much each modality counted."""

    label: str
    seconds: tuple[SecondScore, ...]
    words: tuple[WordScore, ...]
    modalities: Modalities

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "label": self.label,
            "seconds": [one.to_dict() for one in self.seconds],
            "words": [one.to_dict() for one in self.words],
            "modalities": self.modalities.to_dict(),
        }


def evidence_of(
    judge: Judge, clip: Clip, features: Features, label: str, attention: Mapping[str, np.ndarray] | None = None
) -> Evidence:
    """The evidence of a clip for a label; only the head is asked again.

    Args:
        judge: what decides.
        clip: what is explained.
        features: of the clip.
        label: what is asked of.
        attention: weights of the frames or tokens of a branch [time], of those that have any.
    """
    known = attention or {}
    return Evidence(
        label,
        second_scores(judge, clip, features, label, known.get("speech")),
        word_scores(judge, clip, features, label, known.get("text")),
        modalities_of(judge, features, label),
    )
