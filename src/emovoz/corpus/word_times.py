"""When each word of a clip is said."""

import json
import math
from typing import Any

WordTimes = tuple[tuple[float, float], ...]
"""(start, end) of each word of the transcription, seconds from the clip's start."""


def read_word_times(cell: str) -> WordTimes:
    """Times from a cell of a manifest: a JSON list of [start, end].

    Raises:
        ValueError: it is none; the message says what is wrong.

    >>> read_word_times("[[0, 0.25], [0.25, 0.5]]")
    ((0.0, 0.25), (0.25, 0.5))
    """
    try:
        pairs = json.loads(cell)
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, list):
        raise ValueError("word_times is not a JSON list, such as [[0.1, 0.4], [0.4, 0.9]]")
    strange = next((pair for pair in pairs if not _is_pair(pair)), None)
    if strange is not None:
        raise ValueError(f"word_times: {json.dumps(strange)} is not [start, end] in seconds")
    return tuple((float(start), float(end)) for start, end in pairs)


def word_times_fault(times: WordTimes, transcription: str | None, seconds: float | None = None) -> str | None:
    """What is wrong with the times of a clip's words, None where nothing is.

    Args:
        times: of each word.
        transcription: its words are what blanks separate.
        seconds: length of the clip, where it is known.

    >>> word_times_fault(((0.0, 0.2), (0.2, 0.7)), "qué alegría")
    >>> word_times_fault(((0.0, 0.2),), "qué alegría")
    'word_times has 1 pair for 2 words; it needs one for each word between blanks'
    """
    words = (transcription or "").split()
    if len(times) != len(words):
        pairs = f"{len(times)} pair{'' if len(times) == 1 else 's'}"
        counted = f"{len(words)} word{'' if len(words) == 1 else 's'}"
        return f"word_times has {pairs} for {counted}; it needs one for each word between blanks"
    for i, (word, (start, end)) in enumerate(zip(words, times, strict=True)):
        if end < start:
            return f"word_times: {word!r} ends ({end}) before it starts ({start})"
        if i and start < times[i - 1][0]:
            return f"word_times: {word!r} starts ({start}) before the word in front of it ({times[i - 1][0]})"
        if seconds is not None and start >= seconds:
            return (
                f"word_times: {word!r} starts at {start} s, but the clip lasts {seconds:g} s; "
                "times count from the start of the clip"
            )
    return None


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(_is_time(value) for value in pair)


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
