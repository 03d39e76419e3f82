"""Words recognised in speech."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Word:
    """A word, when it is said (seconds), and how sure that is."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Transcript:
    """What was said, and when each word."""

    text: str
    words: tuple[Word, ...] = ()
    language: str | None = None


class Transcriber(Protocol):
    """Recognises the words in samples, float32 [time] at 16 kHz."""

    def __call__(self, samples: np.ndarray) -> Transcript:
        """The words."""
