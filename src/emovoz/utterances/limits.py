"""What makes an utterance."""

import math
from dataclasses import dataclass, fields

from emovoz.errors import InputError


@dataclass(frozen=True)
class Limits:
    """What makes an utterance, all in seconds.

    Attributes:
        shortest: speech that is no longer is left out.
        longest: of an utterance, its padding included; longer speech is cut where it is least like speech.
        pause: without speech, that ends an utterance.
        padding: kept before and after the speech, at most half a pause.

    >>> Limits(longest=0.4)
    Traceback (most recent call last):
    emovoz.errors.InputError: longest 0.4: at least twice the shortest (0.25) and both paddings (0.1), which is 0.7 s
    """

    shortest: float = 0.25
    longest: float = 10.0
    pause: float = 0.4
    padding: float = 0.1

    def __post_init__(self) -> None:
        faults = [
            f"{one.name} {value!r}: seconds are wanted, 0 or more"
            for one in fields(self)
            if not (math.isfinite(value := getattr(self, one.name)) and value >= 0)
        ]
        if faults:
            raise InputError(faults)
        least = 2 * self.shortest + 2 * self.padding
        if self.padding > self.pause / 2:
            faults.append(f"padding {self.padding:g}: at most half the pause ({self.pause:g}), or utterances overlap")
        if self.longest < least:
            faults.append(
                f"longest {self.longest:g}: at least twice the shortest ({self.shortest:g}) and both paddings "
                f"({self.padding:g}), which is {least:g} s"
            )
        if faults:
            raise InputError(faults)
