"""How far something that should not tell the label does."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Chance that two clips have the same label: two of the same value, and any two; between 0 and 1."""

    same: float
    any: float


def agreement(values: Sequence[Hashable], labels: Sequence[str], *, twice: bool = False) -> Agreement:
    """Whether clips of the same value, such as the same words, share their label more often than any two clips.

    Two different clips are drawn, so that few of a value do not seem to agree by chance; a value of a single clip says
    nothing. Where a value was given to every label equally often, two different clips agree less than chance would
    have it; with `twice`, the same clip may be drawn twice, and they agree exactly as often as any.

    >>> agreement(["yes", "yes", "no", "no"], ["joy", "joy", "fear", "fear"])
    Agreement(same=1.0, any=0.3333333333333333)
    >>> agreement(["yes", "yes", "no", "no"], ["joy", "fear", "joy", "fear"], twice=True)
    Agreement(same=0.5, any=0.5)
    """
    groups: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for value, label in zip(values, labels, strict=True):
        groups[value][label] += 1
    less = 0 if twice else 1
    return Agreement(_chance(list(groups.values()), less), _chance([Counter(labels)], less))


def _chance(groups: Sequence[Counter[str]], less: int) -> float:
    """The mean over the clips of groups of several; a clip is compared with so many `less` than its group has."""
    compared = [counts for counts in groups if counts.total() > 1]
    shared = sum(count * (count - less) / (counts.total() - less) for counts in compared for count in counts.values())
    return shared / max(1, sum(counts.total() for counts in compared))
