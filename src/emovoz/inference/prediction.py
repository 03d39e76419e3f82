"""Prediction: what a recogniser says of one clip."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from emovoz.corpus.clip import Clip
from emovoz.transcription.transcript import Word


@dataclass(frozen=True)
class Prediction:
    """The emotion of one clip, or why it has none.

    Attributes:
        id: of the clip.
        label: the decision, which is the most probable label unless thresholds say otherwise; None where there is an
            error.
        scores: probability of each label.
        seconds: length of the audio that was used, None without any.
        transcription: the words that were used, or recognised for a model that reads none; None without any.
        modalities: what the decision rests on: `speech`, `text` or both.
        model: name of the recogniser.
        adapted_from: from how many clips of the same voice the speech was adapted; None where it was not.
        words: of the transcription with their times, where it was recognised; None where it was not.
        language: that was recognised to be spoken.
        error: why the clip could not be judged, else None.

    >>> Prediction("b.wav", error="silent").to_dict()
    {'id': 'b.wav', 'error': 'silent'}
    """

    id: str
    label: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    seconds: float | None = None
    transcription: str | None = None
    modalities: tuple[str, ...] = ()
    model: str = ""
    adapted_from: int | None = None
    words: tuple[Word, ...] | None = None
    language: str | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The prediction as the command line prints it."""
        if self.error is not None:
            return {"id": self.id, "error": self.error}
        words = [word.to_dict() for word in self.words or ()]
        recognised = {} if self.words is None else {"language": self.language, "words": words}
        adapted = {} if self.adapted_from is None else {"adapted_from": self.adapted_from}
        return {
            "id": self.id,
            "label": self.label,
            "scores": self.scores,
            "seconds": self.seconds,
            "transcription": self.transcription,
            "modalities": list(self.modalities),
            "model": self.model,
            **recognised,
            **adapted,
        }

    def _repr_html_(self) -> str:
        """What a notebook shows: the label, and the probability of each as a bar."""
        from emovoz.inference.display import prediction_html

        return prediction_html(self)


Predictor = Callable[[Iterable[Clip]], Iterator[Prediction]]
"""Gives a prediction for each clip, in order, as the clips come."""
