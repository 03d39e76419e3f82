"""Transcriptions compared by their words: sequences shared with others."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from emovoz.corpus.transcripts import Words

SEQUENCE = 3
"""Words of the sequences that near-duplicates share."""
SHARED = 0.8
"""Share of the shorter one's sequences that the longer one has too, from which on they are near-duplicates."""
SHORTEST_NEAR = 8
"""Words that near-duplicates have at least."""


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
