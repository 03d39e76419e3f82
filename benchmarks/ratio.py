"""Two things timed against each other in the same run, and how that is written down."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of each run, alternating: first one, then the other, in the next round the other way about."""

    ours: Sequence[float]
    baseline: Sequence[float]

    @property
    def seconds(self) -> float:
        """Median of ours."""
        return statistics.median(self.ours)

    @property
    def baseline_seconds(self) -> float:
        """Median of the baseline."""
        return statistics.median(self.baseline)

    @property
    def ratio(self) -> float:
        """How many times as long the baseline takes, by the medians."""
        return self.baseline_seconds / self.seconds

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the largest ratio of a round."""
        ratios = [theirs / own for own, theirs in zip(self.ours, self.baseline, strict=True)]
        return min(ratios), max(ratios)


def timed(run: Callable[[], object]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def alternated(ours: Callable[[], object], baseline: Callable[[], object], *, rounds: int = 5) -> Times:
    """Each run so many times in turn, after once to warm up."""
    ours()
    baseline()
    own: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        for mine in (True, False) if number % 2 == 0 else (False, True):
            (own if mine else theirs).append(timed(ours if mine else baseline))
    return Times(own, theirs)


def table(rows: Sequence[tuple[str, Times, float | None]]) -> str:
    """Rows of what was compared, its times, and the ratio that it must reach."""
    lines = ["| case | emovoz, s | baseline, s | ratio [rounds] | must reach | |", "|---|---|---|---|---|---|"]
    for name, times, wanted in rows:
        low, high = times.spread
        verdict = "" if wanted is None else "yes" if times.ratio >= wanted else "**no**"
        lines.append(
            f"| {name} | {times.seconds:.3g} | {times.baseline_seconds:.3g} "
            f"| {times.ratio:.2f} [{low:.2f}, {high:.2f}] | {'' if wanted is None else f'{wanted:g}'} | {verdict} |"
        )
    return "\n".join(lines)
