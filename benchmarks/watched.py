"""A process watched for long: memory, open files and threads by the time, and whether they and its pace stay."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WARM_UP = 1 / 6
"""Share of a run in which memory may still settle; nothing is judged by it."""
RISE = 30.0
"""Megabytes that the line through the memory may rise after the warm-up: 2 % of what a service takes."""
HANDLES = 2
"""Open files that a run may have more in its last quarter than in its first."""
DRIFT = 1.05
"""Pace has drifted where the whole 95 % interval of last quarter / first quarter lies above this."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """A process at a moment.

    Attributes:
        second: since the run began.
        megabytes: resident.
        handles: open files and sockets.
        threads: of it.
        work: processor seconds since the process began.
    """

    second: float
    megabytes: float
    handles: int
    threads: int
    work: float


def sample(process: int, began: float) -> Sample:
    """How a process is now.

    Raises:
        OSError: it has ended.
    """
    folder = Path(f"/proc/{process}")
    told = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    times = (folder / "stat").read_text().rpartition(")")[2].split()
    return Sample(
        second=time.monotonic() - began,
        megabytes=int(told["VmRSS"].split()[0]) * 1024 / 1e6,
        handles=len(os.listdir(folder / "fd")),  # noqa: PTH208 (names, not paths)
        threads=int(told["Threads"]),
        work=(int(times[11]) + int(times[12])) / TICKS,
    )


@contextmanager
def watched(process: int, began: float, every: float) -> Iterator[list[Sample]]:
    """Samples of a process, taken every so many seconds until the block or the process ends."""
    samples: list[Sample] = []
    ended = threading.Event()

    def watch() -> None:
        while True:
            try:
                samples.append(sample(process, began))
            except (OSError, KeyError):
                return
            if ended.wait(every):
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def slope(seconds: Sequence[float], values: Sequence[float]) -> float:
    """Of the line through the points, for an hour: the median of the slopes of all pairs (Theil and Sen).

    Examples:
        >>> slope([0.0, 1800.0, 3600.0], [100.0, 101.0, 102.0])
        2.0
    """
    x, y = np.asarray(seconds), np.asarray(values)
    first, second = np.triu_indices(len(x), 1)
    return 3600 * float(np.median((y[second] - y[first]) / (x[second] - x[first])))


def drift(values: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """The mean of the last quarter in shares of that of the first, with a 95 % interval: bootstrap over the values.

    Examples:
        >>> drift([2.0] * 8)
        (1.0, 1.0, 1.0)
    """
    quarter = max(1, len(values) // 4)
    first, last = np.asarray(values[:quarter]), np.asarray(values[-quarter:])
    rng = np.random.default_rng(seed)
    drawn = rng.choice(last, (2000, quarter)).mean(1) / rng.choice(first, (2000, quarter)).mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(last.mean() / first.mean()), float(low), float(high)
