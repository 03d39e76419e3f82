"""How far something that should not tell the label does."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Chance that another clip has a clip's label: one of the same value, and any other; between 0 and 1."""

    same: float
    other: float


def agreement(values: Sequence[Hashable], labels: Sequence[str]) -> Agreement:
    """Whether clips of the same value, such as the same words, share their label more often than any two clips.

    Each chance is the mean over the clips that have another to compare with; a value of a single clip says nothing.

    >>> agreement(["yes", "yes", "no", "no"], ["joy", "joy", "fear", "fear"])
    Agreement(same=1.0, other=0.3333333333333333)
    """
    groups: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for value, label in zip(values, labels, strict=True):
        groups[value][label] += 1
    return Agreement(_chance(list(groups.values())), _chance([Counter(labels)]))


def _chance(groups: Sequence[Counter[str]]) -> float:
    compared = [counts for counts in groups if counts.total() > 1]
    shared = sum(count * (count - 1) / (counts.total() - 1) for counts in compared for count in counts.values())
    return shared / max(1, sum(counts.total() for counts in compared))
