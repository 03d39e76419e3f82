"""Term frequencies of the n-grams of a text, by arithmetic alone: the same in training and in an export."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

_WORD = re.compile(r"\w+")
_MOST_REMEMBERED = 2**16


def term_frequencies(
    text: str, *, characters: tuple[int, int] | None, words: tuple[int, int] | None, buckets: int
) -> np.ndarray:
    """How often each n-gram is in a text, as 1 + log of the count, at the place that a stable hash gives it.

    Places and counts are those of scikit-learn's HashingVectorizer with `norm=None` and `alternate_sign=False`, its
    analyser `char_wb` for characters and the pattern `\\w+` for words.

    Args:
        text: compared in lower case and in Unicode's composed form.
        characters, words: fewest and most of an n-gram; None counts none of the kind.
        buckets: places of each kind.

    Returns:
        float32 [places of characters, then of words].

    >>> found = term_frequencies("No, no y no.", characters=None, words=(1, 1), buckets=256)
    >>> len(found), sorted(found[found > 0].tolist())
    (256, [1.0, 2.0986...])
    """
    plain = unicodedata.normalize("NFC", text).lower()
    kinds = [
        *([] if characters is None else [_of_characters(plain, *characters)]),
        *([] if words is None else [_of_words(plain, *words)]),
    ]
    counts = np.zeros((len(kinds), buckets))
    for row, ngrams in zip(counts, kinds, strict=True):
        for ngram in ngrams:
            row[_hash(ngram) % buckets] += 1
    return (np.log(counts, out=np.full_like(counts, -1.0), where=counts > 0).astype(np.float32) + 1).ravel()


def places(*, characters: tuple[int, int] | None, words: tuple[int, int] | None, buckets: int) -> int:
    """How many values `term_frequencies` gives; arguments as there.

    >>> places(characters=(2, 4), words=(1, 1), buckets=256)
    512
    """
    return buckets * ((characters is not None) + (words is not None))


def _of_characters(text: str, fewest: int, most: int) -> Iterator[str]:
    """N-grams within words, whose borders are blanks; a word shorter than an n-gram is one by itself, once."""
    for word in text.split():
        bordered = f" {word} "
        for size in range(fewest, most + 1):
            yield bordered[:size]
            for start in range(1, len(bordered) - size + 1):
                yield bordered[start : start + size]
            if len(bordered) <= size:
                break


def _of_words(text: str, fewest: int, most: int) -> Iterator[str]:
    found = _WORD.findall(text)
    for size in range(fewest, most + 1):
        for start in range(len(found) - size + 1):
            yield " ".join(found[start : start + size])


@lru_cache(_MOST_REMEMBERED)
def _hash(term: str) -> int:
    """MurmurHash3 of 32 bits (Appleby 2011), seed 0, of the UTF-8 bytes: the magnitude of it as a signed number."""
    data = term.encode("utf-8", "surrogatepass")
    state, whole = 0, len(data) // 4 * 4
    for at in range(0, whole, 4):
        state ^= _scrambled(int.from_bytes(data[at : at + 4], "little"))
        state = (_rotated(state, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    state ^= _scrambled(int.from_bytes(data[whole:], "little")) ^ len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        state = ((state ^ (state >> shift)) * factor) & 0xFFFFFFFF
    state ^= state >> 16
    return state if state < 2**31 else 2**32 - state


def _scrambled(block: int) -> int:
    return (_rotated(block * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593) & 0xFFFFFFFF


def _rotated(value: int, by: int) -> int:
    return (value << by | value >> (32 - by)) & 0xFFFFFFFF
