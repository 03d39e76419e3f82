"""Utterances with the words that are said in them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from emovoz.transcription import Word
from emovoz.utterances.finding import Utterance
from emovoz.utterances.speech import RATE

Recognised = Callable[[np.ndarray], tuple[Word, ...]]
"""The words in samples, float32 [time] at 16 kHz, with their times in there."""


@dataclass(frozen=True, eq=False)
class Spoken:
    """An utterance and its words, whose times are those of the recording."""

    utterance: Utterance
    words: tuple[Word, ...] = ()

    @property
    def text(self) -> str | None:
        """What is said; None without words."""
        return " ".join(word.text.strip() for word in self.words) or None


def spoken(utterances: Iterable[Utterance], recognised: Recognised, stretch: float) -> Iterator[Spoken]:
    """Each utterance with its words: those whose middle is nearest to it.

    Args:
        utterances: of one recording, in order of time.
        recognised: recognises words.
        stretch: seconds of the recording that go to it at once, where several utterances lie in them.
    """
    for group in _stretches(utterances, stretch):
        words = [_later(word, group[0].start) for word in recognised(_joined(group))]
        nearest = [min(range(len(group)), key=lambda k: _distance(group[k], word)) for word in words]
        for k, utterance in enumerate(group):
            yield Spoken(utterance, tuple(word for word, at in zip(words, nearest, strict=True) if at == k))


def _stretches(utterances: Iterable[Utterance], stretch: float) -> Iterator[list[Utterance]]:
    group: list[Utterance] = []
    for one in utterances:
        if group and one.end - group[0].start > stretch:
            yield group
            group = []
        group.append(one)
        if stretch <= 0:
            yield group
            group = []
    if group:
        yield group


def _joined(group: list[Utterance]) -> np.ndarray:
    """The utterances where they lie in the recording; nothing is heard between them."""
    first = group[0].start
    samples = np.zeros(round((group[-1].end - first) * RATE), np.float32)
    for one in group:
        at = round((one.start - first) * RATE)
        samples[at : at + len(one.samples)] = one.samples
    return samples


def _distance(utterance: Utterance, word: Word) -> float:
    middle = (word.start + word.end) / 2
    return max(utterance.start - middle, middle - utterance.end, 0.0)


def _later(word: Word, seconds: float) -> Word:
    return replace(word, start=round(word.start + seconds, 3), end=round(word.end + seconds, 3))
