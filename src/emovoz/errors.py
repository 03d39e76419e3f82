"""The errors that are the user's to mend."""

import difflib
import re
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave is at fault: what is wrong, where, and what to do.

    Args:
        faults: one clear sentence, or several when several things are wrong at once.

    >>> InputError(["row 2: no id", "row 7: no label"]).faults
    ('row 2: no id', 'row 7: no label')
    """

    def __init__(self, faults: str | Iterable[str]) -> None:
        self.faults = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class ClipError(ValueError):
    """One clip cannot be used; the message says why. Others are not affected."""

    def bare(self) -> "ClipError":
        """The message alone, for who keeps it: with it would stay all that lay in memory where it was raised."""
        return ClipError(str(self))


# what moves the cursor, changes colours or turns the direction of writing on a terminal; ends of lines are left
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""A message as a terminal may show it, whatever somebody wrote into a name that it quotes.

    >>> printable("no such file: \x1b[2Ja.wav")
    'no such file: \\x1b[2Ja.wav'
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """The end of a sentence that names the known word nearest to an unknown one; nothing where none is near.

    `cutoff`, from 0 to 1, says how near is near.

    >>> did_you_mean("JOY", ["anger", "joy"]), did_you_mean("boredom", ["anger", "joy"])
    ("; did you mean 'joy'?", '')
    """
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""
