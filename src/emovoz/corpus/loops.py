"""Loops: a phrase that the recogniser who wrote a transcription was caught in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST_PHRASE = 50
"""Words; a loop of longer phrases is not looked for."""
LOOP_TIMES, LOOP_WORDS = 3, 12
"""A phrase so often in a row, so many words in all, is taken for a loop of the recogniser that wrote it."""


@dataclass(frozen=True)
class Loop:
    """A phrase said several times in a row."""

    phrase: str
    times: int


def loop_in(words: Sequence[str]) -> Loop | None:
    """The phrase that is repeated in a row over the most words: at least three times, at least 12 words in all.

    >>> loop_in("y luego en el centro en el centro en el centro en el centro".split())
    Loop(phrase='en el centro', times=4)
    >>> loop_in("no no no me voy a mi casa".split())
    """
    longest = min(LONGEST_PHRASE, len(words) // LOOP_TIMES)
    runs = [(times * size, -size, at, times) for size in range(1, longest + 1) for at, times in _runs(words, size)]
    covered, minus_size, at, times = max(runs, default=(0, 0, 0, 0))
    if times < LOOP_TIMES or covered < LOOP_WORDS:
        return None
    return Loop(" ".join(words[at : at - minus_size]), times)


def _runs(words: Sequence[str], size: int) -> Iterator[tuple[int, int]]:
    """Where a phrase of so many words begins that is said at least twice in a row, and how often it is."""
    start = 0
    for at in range(len(words) - size + 1):
        if at + size < len(words) and words[at] == words[at + size]:
            continue
        times = (at + size - start) // size
        if times >= 2:
            yield start, times
        start = at + 1
