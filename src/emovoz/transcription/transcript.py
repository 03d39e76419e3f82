"""Transcript: what was recognised in a clip."""

from dataclasses import asdict, dataclass
from typing import Any

from emovoz.corpus.word_times import WordTimes

SAMPLE_RATE = 16000
"""Hz, of what is recognised."""


@dataclass(frozen=True)
class Word:
    """A word that was recognised.

    Attributes:
        text: with the punctuation that belongs to it.
        start, end: seconds from the clip's start.
        probability: that the recogniser gives it, from 0 to 1.

    >>> Word("No.", 0.1, 0.3, 0.9).to_dict()
    {'text': 'No.', 'start': 0.1, 'end': 0.3, 'probability': 0.9}
    """

    text: str
    start: float
    end: float
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self)


@dataclass(frozen=True)
class Transcript:
    """The words of a clip.

    Attributes:
        text: all of them; empty where no speech was recognised.
        words: in order of time.
        language: that was spoken, as a code such as `es`; None where no speech was recognised.

    >>> Transcript("¡Qué alegría!", (Word("¡Qué", 0.1, 0.3, 0.9), Word("alegría!", 0.3, 0.8, 0.8)), "es").word_times
    ((0.1, 0.3), (0.3, 0.8))
    """

    text: str = ""
    words: tuple[Word, ...] = ()
    language: str | None = None

    @property
    def word_times(self) -> WordTimes | None:
        """(start, end) of each word between blanks, as a `Clip` has them; None where blanks do not separate words."""
        if [word.text for word in self.words] != self.text.split():
            return None
        return tuple((word.start, word.end) for word in self.words)
