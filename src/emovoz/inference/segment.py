"""Segment: what a recogniser says of one utterance of a recording."""

from dataclasses import asdict, dataclass, field
from typing import Any

from emovoz.transcription import Word


@dataclass(frozen=True)
class Segment:
    """One utterance of a recording.

    Attributes:
        start, end: seconds from the beginning of the recording.
        label: the decision; None where there is an error.
        scores: probability of each label.
        transcription: what is said, where words were recognised; `modalities` tells whether the model reads them.
        words: when each was said, seconds from the beginning of the recording.
        modalities: what the decision rests on: `speech`, `text` or both.
        adapted_from: from how many clips of the same voice the speech was adapted; None where it was not.
        error: why it could not be judged, else None.

    >>> Segment(0.5, 2.25, "joy", {"joy": 0.75, "fear": 0.25}, modalities=("speech",)).to_dict()
    {'start': 0.5, 'end': 2.25, 'label': 'joy', 'scores': {'joy': 0.75, 'fear': 0.25},
     'transcription': None, 'modalities': ['speech']}
    """

    start: float
    end: float
    label: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    transcription: str | None = None
    words: tuple[Word, ...] = ()
    modalities: tuple[str, ...] = ()
    adapted_from: int | None = None
    error: str | None = None

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    @property
    def middle(self) -> float:
        """Halfway between its start and its end."""
        return (self.start + self.end) / 2

    def to_dict(self) -> dict[str, Any]:
        """The segment as the command line prints it."""
        if self.error is not None:
            return {"start": self.start, "end": self.end, "error": self.error}
        words = {"words": [asdict(word) for word in self.words]} if self.words else {}
        return {
            "start": self.start,
            "end": self.end,
            "label": self.label,
            "scores": self.scores,
            "transcription": self.transcription,
            **words,
            "modalities": list(self.modalities),
        }
