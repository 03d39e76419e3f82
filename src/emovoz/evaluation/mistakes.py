"""The most confident mistakes, and what of these clips spoke for the wrong label."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from emovoz.corpus import Clip, Corpus
from emovoz.errors import ClipError
from emovoz.explanation import LONGEST_SECONDS, Judge, evidence_of
from emovoz.features import FeatureStore, features_of
from emovoz.inference.inputs import seconds_heard

MOST = 6


@dataclass(frozen=True)
class Mistake:
    """A clip that was taken for something else.

    Attributes:
        clip: with its label.
        predicted: the label it was given.
        chance, own_chance: probability of the predicted label, and of its own.
        judge: what decided.
    """

    clip: Clip
    predicted: str
    chance: float
    own_chance: float
    judge: Judge

    @property
    def id(self) -> str:
        """Of the clip."""
        return self.clip.id

    def told(self, store: FeatureStore) -> dict[str, Any]:
        """What results.json says of it, its evidence for the wrong label included."""
        clip = self.clip
        features, _ = features_of(Corpus([clip]), self.judge.encoders, store)
        evidence = evidence_of(self.judge, clip, features[0].by_modality, self.predicted)
        return {
            "id": clip.id,
            "label": clip.label,
            "predicted": self.predicted,
            "label_probability": self.own_chance,
            "predicted_probability": self.chance,
            "speaker": clip.speaker,
            "transcription": clip.transcription or None,
            "evidence": evidence.to_dict(),
        }


@dataclass(frozen=True)
class ToldMistake:
    """A mistake of which nothing but what results.json says is left."""

    row: dict[str, Any]

    @property
    def id(self) -> str:
        """Of the clip."""
        return str(self.row["id"])

    @property
    def chance(self) -> float:
        """Probability of the predicted label."""
        return float(self.row["predicted_probability"])

    def told(self, store: FeatureStore) -> dict[str, Any]:
        """What results.json says of it."""
        return self.row


Told = TypeVar("Told", bound=Mistake | ToldMistake)


def mistakes_of(
    judge_for: Callable[[Clip], Judge],
    labels: Sequence[str],
    clips: Sequence[Clip],
    scores: np.ndarray,
    decided: np.ndarray,
) -> list[Mistake]:
    """The most confident mistakes among clips, at most six, the surest first.

    Args:
        judge_for: what decided for a clip.
        labels: what was told apart.
        clips: those without a label are no mistakes, and those too long to be explained are left out.
        scores: probabilities [clips, labels].
        decided: class indices [clips]; -1 where a clip is not scored.
    """
    found = (
        Mistake(clip, labels[i], float(row[i]), float(row[labels.index(clip.label)]), judge_for(clip))
        for clip, row, i in zip(clips, scores, decided.tolist(), strict=True)
        if clip.label and i >= 0 and labels[i] != clip.label
    )
    return list(islice((one for one in _ranked(found) if _explainable(one.clip)), MOST))


def surest(mistakes: Iterable[Told]) -> list[Told]:
    """The six that were surest, the surest first."""
    return _ranked(mistakes)[:MOST]


def _ranked(mistakes: Iterable[Told]) -> list[Told]:
    return sorted(mistakes, key=lambda one: (-one.chance, one.id))


def _explainable(clip: Clip) -> bool:
    with suppress(ClipError):
        return (seconds_heard(clip) or 0.0) <= LONGEST_SECONDS
    return False
