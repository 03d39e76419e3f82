"""Utterances of a recording, one after the other, in memory that does not grow with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from emovoz.utterances.cutting import Cutter, Span
from emovoz.utterances.limits import Limits
from emovoz.utterances.speech import RATE, SpeechDetector


@dataclass(frozen=True, eq=False)
class Utterance:
    """A stretch of speech.

    Attributes:
        start, end: seconds in the recording.
        samples: float32 [time] at 16 kHz.
    """

    start: float
    end: float
    samples: np.ndarray


def utterances(blocks: Iterable[np.ndarray], limits: Limits | None = None) -> Iterator[Utterance]:
    """The utterances of a recording, each as soon as it is over.

    Args:
        blocks: the recording, float32 [time] each, at 16 kHz; it may still be going on.
        limits: what makes an utterance; by default those of `Limits()`.
    """
    detector, cutter = SpeechDetector(), Cutter(limits or Limits())
    held, at = np.empty(0, np.float32), 0

    def cut(span: Span) -> Utterance:
        return Utterance(span.first / RATE, span.last / RATE, held[span.first - at : span.last - at].copy())

    for block in blocks:
        held = np.concatenate([held, block])
        for probability in detector(block):
            yield from map(cut, cutter(probability))
        passed = cutter.needed_from - at
        held, at = held[passed:], at + passed
    for probability in detector(np.empty(0, np.float32), last=True):
        yield from map(cut, cutter(probability))
    yield from map(cut, cutter.finish(at + len(held)))
