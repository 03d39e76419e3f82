"""Probabilities of an utterance evened out by those of its neighbours."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from emovoz.inference.segment import Segment

Decision = Callable[[Mapping[str, float]], str]
"""The label for probabilities of all labels."""


def smoothed(segments: Iterable[Segment], reach: float, decide: Decision) -> Iterator[Segment]:
    """Segments whose scores are means over those near them, each as soon as those after it cannot count any more.

    The weight of segment j for segment i is `d_j * (1 - |t_i - t_j| / reach)`, but never below 0: d_j is its length,
    t are the middles. One that could not be judged stays as it is and counts for no other.

    Args:
        segments: in order of time.
        reach: seconds between middles from which on a neighbour does not count.
        decide: what the decision is taken by.

    >>> segments = [Segment(0, 2, "joy", {"joy": 1.0, "fear": 0.0}), Segment(2, 4, "fear", {"joy": 0.0, "fear": 1.0})]
    >>> [one.scores["joy"] for one in smoothed(segments, 4.0, lambda scores: max(scores, key=scores.get))]
    [0.666..., 0.333...]
    """
    near: deque[Segment] = deque()
    waiting: deque[Segment] = deque()
    for segment in segments:
        near.append(segment)
        waiting.append(segment)
        while segment.middle - waiting[0].middle >= reach:
            yield _smoothed(waiting.popleft(), near, reach, decide)
        while waiting[0].middle - near[0].middle >= reach:
            near.popleft()
    for segment in waiting:
        yield _smoothed(segment, near, reach, decide)


def _smoothed(segment: Segment, near: Iterable[Segment], reach: float, decide: Decision) -> Segment:
    if segment.error is not None:
        return segment
    weights = [
        (max(0.0, one.seconds * (1 - abs(one.middle - segment.middle) / reach)), one.scores)
        for one in near
        if one.error is None
    ]
    scores = weighted_mean(weights)
    return replace(segment, scores=scores, label=decide(scores))


def weighted_mean(weighted: Iterable[tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    """The mean of probabilities by label; empty where nothing has any weight.

    Args:
        weighted: (weight, probabilities) each, of the same labels.

    >>> weighted_mean([(3.0, {"joy": 1.0}), (1.0, {"joy": 0.0})])
    {'joy': 0.75}
    """
    sums: dict[str, float] = {}
    total = 0.0
    for weight, scores in weighted:
        total += weight
        for label, score in scores.items():
            sums[label] = sums.get(label, 0.0) + weight * score
    return {label: value / total for label, value in sums.items()} if total else {}
