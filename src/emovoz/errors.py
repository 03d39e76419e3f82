"""The one error that is the user's to mend."""

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
