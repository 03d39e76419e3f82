"""Transcriptions compared by their words: normalised, repeated phrases, sequences shared with others."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Words = tuple[str, ...]

LONGEST_PHRASE = 50
"""Words; a loop of longer phrases is not looked for."""
LOOP_TIMES, LOOP_WORDS = 3, 12
"""A phrase so often in a row, so many words in all, is taken for a loop of the recogniser that wrote it."""
SEQUENCE = 3
"""Words of the sequences that near-duplicates share."""
SHARED = 0.8
"""Share of the shorter one's sequences that the longer one has too, from which on they are near-duplicates."""
SHORTEST_NEAR = 8
"""Words that near-duplicates have at least."""


def normalised(text: str) -> Words:
    """The words of a text without case, punctuation and accents; each Chinese or Japanese character is a word.

    >>> normalised("¡Qué alegría, Ana! 3-1")
    ('que', 'alegria', 'ana', '3', '1')
    """
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", text.casefold()) if not "\u0300" <= mark <= "\u036f")
    return tuple("".join(_spaced(mark) for mark in unicodedata.normalize("NFKC", plain)).split())


def _spaced(mark: str) -> str:
    if unicodedata.category(mark)[0] in "PSZC":
        return " "
    return f" {mark} " if "\u3040" <= mark <= "\u30ff" or "\u3400" <= mark <= "\u9fff" else mark


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


@dataclass(frozen=True)
class Near:
    """Two texts, by position, the shorter one first, and the share of its sequences that the other has too."""

    shorter: int
    longer: int
    share: float


def near_duplicates(texts: Sequence[Words]) -> list[Near]:
    """Pairs of different texts that share at least 80 % of the shorter one's three-word sequences.

    Texts of fewer than eight words are passed over. No pair is missed: of sequences that 80 % are shared of, the rarest
    20 % and one more cannot all be absent, so it is enough to look where these occur.

    >>> (pair,) = near_duplicates([tuple("abcdefghij"), tuple("xabcdefghijyz"), tuple("klmnopqrst")])
    >>> pair.shorter, pair.longer, pair.share
    (0, 1, 1.0)
    """
    sequences = [_sequences(words) if len(words) >= SHORTEST_NEAR else frozenset() for words in texts]
    where = defaultdict(list)
    for i, own in enumerate(sequences):
        for one in own:
            where[one].append(i)
    pairs = []
    for i, own in enumerate(sequences):
        rarest = sorted(own, key=lambda one: (len(where[one]), one))[: int(len(own) * (1 - SHARED) + 1e-9) + 1]
        others = {j for one in rarest for j in where[one] if (len(sequences[j]), j) > (len(own), i)}
        shares = [(j, len(own & sequences[j]) / len(own)) for j in sorted(others)]
        pairs += [Near(i, j, share) for j, share in shares if share >= SHARED]
    return pairs


def _sequences(words: Words) -> frozenset[Words]:
    return frozenset(words[i : i + SEQUENCE] for i in range(len(words) - SEQUENCE + 1))
