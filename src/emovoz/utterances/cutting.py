"""Where utterances begin and end, by the probability of speech in each window."""

from dataclasses import dataclass

import numpy as np

from emovoz.utterances.limits import Limits
from emovoz.utterances.speech import RATE, WINDOW

BEGINS, GOES_ON = 0.5, 0.35
"""The probability from which on speech begins, and down to which it goes on: those of silero-vad."""
_AROUND = np.ones(3) / 3
"""A cut falls where a tenth of a second is least like speech, and not a single window."""


@dataclass(frozen=True)
class Span:
    """A stretch of samples at 16 kHz, from `first` to before `last`."""

    first: int
    last: int


class Cutter:
    """Finds the utterances of one recording while it goes on.

    It does what silero-vad's own `get_speech_timestamps` does, but with speech that is too long: that is cut in its
    second half, where it is least like speech, and no less than the shortest is left over.

    Args:
        limits: of an utterance.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pad = int(limits.padding * RATE)
        self._longest = int((limits.longest * RATE - 2 * self._pad) // WINDOW)
        self._heard = 0
        self._run: list[float] = []
        self._quiet_from: int | None = None
        self._goes_on = False

    @property
    def needed_from(self) -> int:
        """The first sample that an utterance to come may begin with."""
        return max(0, self._first - self._pad)

    @property
    def _first(self) -> int:
        """Where the speech that is going on began; where there is none, where the next window begins."""
        return (self._heard - len(self._run)) * WINDOW

    def __call__(self, probability: float) -> list[Span]:
        """Take in the next window; the utterances that it shows to be over."""
        self._heard += 1
        if not self._run:
            self._run = [probability] if probability >= BEGINS else []
            return []
        self._run.append(probability)
        if probability >= BEGINS:
            self._quiet_from = None
        elif probability < GOES_ON and self._quiet_from is None:
            self._quiet_from = len(self._run) - 1
        # what is neither speech nor quiet could go on for ever
        may_end = probability < GOES_ON or len(self._run) > self._longest
        quiet = self._quiet_from
        if quiet is not None and may_end and (len(self._run) - 1 - quiet) * WINDOW >= self._limits.pause * RATE:
            return self._ended(self._first + quiet * WINDOW)
        cuts = []
        while self._quiet_from is None and len(self._run) > self._longest:
            cuts.append(self._cut())
        return cuts

    def finish(self, total: int) -> list[Span]:
        """The utterance in which a recording of so many samples ends, where it ends in one."""
        longest = self._first + self._longest * WINDOW
        return [Span(one.first, min(one.last, total)) for one in self._ended(min(total, longest))] if self._run else []

    def _ended(self, at: int) -> list[Span]:
        """The speech that is going on, where it is long enough, ended by a pause or with the recording."""
        first, before = self._first, 0 if self._goes_on else self._pad
        self._run, self._quiet_from, self._goes_on = [], None, False
        return [Span(max(0, first - before), at + self._pad)] if at - first > self._limits.shortest * RATE else []

    def _cut(self) -> Span:
        """The first part of speech that is too long; the rest goes on."""
        most_like_none = np.convolve(self._run, _AROUND, "same")
        low = max(1, self._longest // 2)
        high = len(self._run) - int(self._limits.shortest * RATE) // WINDOW - 1
        high = max(low, min(high, self._longest))
        at = low + int(most_like_none[low : high + 1].argmin())
        first, before = self._first, 0 if self._goes_on else self._pad
        self._run, self._goes_on = self._run[at:], True
        return Span(max(0, first - before), self._first)
