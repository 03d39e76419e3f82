"""How many cases of each kind of fault are tried, and what came of them.

`make test` tries a seeded sample of each kind, `make soak` all.
"""

import json
import os
from pathlib import Path

IN_TESTS = 50
SOAK = os.environ.get("EMOVOZ_SOAK") == "1"


def how_many(in_soak: int, in_tests: int = IN_TESTS) -> int:
    """Cases of a kind: all of them in a soak, otherwise at most 50, or fewer where each takes long."""
    return in_soak if SOAK else min(in_soak, in_tests, IN_TESTS)


def tally(kind: str, *, injected: int, survived: int, lost: int = 0) -> None:
    """Add to the file that EMOVOZ_TALLY names, if any, a line on faults of a kind.

    Args:
        kind: of fault, as docs/reliability.md calls it.
        injected: faults.
        survived: of those, how many ended as they should: a result that is right, or an error that says what is wrong.
        lost: results that were finished before and are not there after, or differ.
    """
    if name := os.environ.get("EMOVOZ_TALLY"):
        line = json.dumps({"kind": kind, "injected": injected, "survived": survived, "lost": lost})
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
