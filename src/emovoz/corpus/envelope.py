"""The outline of a recording's waveform, gathered while it is heard."""

import numpy as np

BINS = 2048
"""At least so many, and at most twice as many, once a recording is long enough."""


class Envelope:
    """The lowest and highest sample of stretches of equal length, which double where there would be too many.

    Args:
        rate: of the samples, Hz; at least 3200, so that a stretch has a lowest and a highest.

    >>> envelope = Envelope(rate=16000)
    >>> envelope.add(np.sin(np.arange(16000)))
    >>> len(envelope.lows), envelope.seconds
    (1600, 1.0)
    """

    def __init__(self, rate: int) -> None:
        self._rate, self._frames = rate, 0
        self._size = rate // 1600
        self._rest = np.empty(0, np.float32)
        self._low = self._high = np.empty(0, np.float32)

    @property
    def seconds(self) -> float:
        """Length of what was heard."""
        return self._frames / self._rate

    @property
    def bin_seconds(self) -> float:
        """Length of a stretch."""
        return self._size / self._rate

    @property
    def lows(self) -> np.ndarray:
        """The lowest sample of each whole stretch [bins]."""
        return self._low

    @property
    def highs(self) -> np.ndarray:
        """The highest sample of each whole stretch [bins]."""
        return self._high

    def add(self, samples: np.ndarray) -> None:
        """Take in samples [time] that go on from those before."""
        self._frames += len(samples)
        held = np.concatenate([self._rest, samples])
        whole = len(held) // self._size * self._size
        bins = held[:whole].reshape(-1, self._size)
        self._rest = held[whole:]
        self._low = np.concatenate([self._low, bins.min(1)])
        self._high = np.concatenate([self._high, bins.max(1)])
        while len(self._low) >= 2 * BINS:
            self._halve()

    def _halve(self) -> None:
        if len(self._low) % 2:
            # a stretch without a partner becomes samples again, which have its lowest and its highest
            again = np.full(self._size, self._low[-1])
            again[0] = self._high[-1]
            self._rest = np.concatenate([again, self._rest])
        even = len(self._low) // 2 * 2
        self._low = self._low[:even].reshape(-1, 2).min(1)
        self._high = self._high[:even].reshape(-1, 2).max(1)
        self._size *= 2
