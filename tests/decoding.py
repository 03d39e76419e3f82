"""A process that hears files one after the other as prediction does, and says what it found: run with their paths.

Before each file it prints its path, and after it a line: `heard SECONDS`, `refused REASON` or `failed ERROR`; then the
largest memory it had, in megabytes.
"""

from itertools import islice
from pathlib import Path

import numpy as np

from one_by_one import answer_each

RATE = 16000
PIECE_SECONDS = 100.0
MOST_PIECES = 20


def heard(path: Path) -> float:
    """Go through a file as prediction does: all of it once, then piece by piece; the seconds that it holds."""
    from emovoz.corpus import check_audio, load_audio, load_parts, seconds_of

    seconds = seconds_of(path)
    check_audio(path)
    if seconds < PIECE_SECONDS:
        pieces = [load_audio(path, RATE)]
    else:
        starts = np.arange(0, seconds, PIECE_SECONDS)
        parts = [(float(start), float(min(start + PIECE_SECONDS, seconds))) for start in starts]
        pieces = list(islice(load_parts(path, RATE, parts), MOST_PIECES))
    for piece in pieces:
        assert piece.dtype == np.dtype(np.float32)
        assert piece.ndim == 1
        assert np.isfinite(piece).all()
    return seconds


def main() -> None:
    from emovoz.errors import ClipError

    answer_each(lambda path: f"heard {heard(path):.3f}", ClipError)


if __name__ == "__main__":
    main()
