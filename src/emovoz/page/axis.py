"""Axes with round ticks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """The range of a chart, and its ticks as (value, text)."""

    low: float
    high: float
    ticks: list[tuple[float, str]]

    def at(self, value: float) -> float:
        """Where the value lies: 0 at the axis's start, 1 at its end."""
        return (value - self.low) / (self.high - self.low)


def axis_of(values: Sequence[float], *, whole: bool = False) -> Axis | None:
    """An axis that holds all values, None where there are none.

    Args:
        values: to be drawn.
        whole: begin and end where the values do, with ticks at whole numbers, as epochs and steps want it; else at
            round ends.

    >>> [text for _, text in axis_of([0.44, 0.71]).ticks]
    ['0.4', '0.5', '0.6', '0.7', '0.8']
    """
    if not values:
        return None
    low, high = min(values), max(values)
    rough = (high - low or 0.1) / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough * 0.999)
    step = max(step, 1.0) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = [(tick * step, f"{tick * step:.{decimals}f}") for tick in range(first, last + 1)]
    if whole:
        return Axis(low, max(high, low + 1), [(low, f"{low}"), *(tick for tick in ticks if low < tick[0] <= high)])
    return Axis(first * step, last * step, ticks)


def finite(values: Iterable[float | None]) -> list[float]:
    """The values that are numbers."""
    return [value for value in values if value is not None and math.isfinite(value)]
