"""A clip cut into short stretches, and the windows that hide some of them.

Half a second holds two or three syllables: enough that the frames around it, which know something of what is hidden,
do not make up for it, and little enough to point at a word. A window begins every quarter of a second. In clips of
less than two seconds both are shorter: a quarter of the clip, and an eighth.
"""

from collections.abc import Sequence

WINDOW_SECONDS = 0.5
FEWEST = 8
"""Stretches of a clip, where it has as many frames; a window is two of them."""


def edges_of(seconds: float, frames: int) -> list[float]:
    """Where the stretches of a clip begin and end, seconds; just its ends where it has too few frames to be cut.

    >>> edges_of(1.0, 50)
    [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]
    >>> len(edges_of(10.0, 500)) - 1, edges_of(0.04, 2)
    (40, [0.0, 0.04])
    """
    count = min(frames, max(FEWEST, round(2 * seconds / WINDOW_SECONDS)))
    return [seconds * i / count for i in range(count + 1)] if count > 2 else [0.0, seconds]


def windows_of(edges: Sequence[float]) -> list[tuple[float, float]]:
    """Two stretches each, (start, end) in seconds, one beginning with every stretch but the last.

    >>> windows_of([0.0, 0.25, 0.5, 0.75])
    [(0.0, 0.5), (0.25, 0.75)]
    """
    return list(zip(edges, edges[2:], strict=False))


def by_stretch(values: Sequence[float]) -> list[float]:
    """For each stretch the mean of the windows that it is in.

    >>> by_stretch([4.0, 2.0])
    [4.0, 3.0, 2.0]
    """
    around = zip([None, *values], [*values, None], strict=True)
    both = [[value for value in pair if value is not None] for pair in around]
    return [sum(pair) / len(pair) for pair in both]


def apart(order: Sequence[int], count: int) -> frozenset[int]:
    """The first windows of an order that do not overlap, at most so many.

    >>> sorted(apart([3, 2, 1, 0], 2))
    [1, 3]
    """
    taken: list[int] = []
    for one in order:
        if len(taken) < count and all(abs(one - other) > 1 for other in taken):
            taken.append(one)
    return frozenset(taken)
