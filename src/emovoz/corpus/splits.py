"""Dividing a corpus so that what is tested was never trained on."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from threading import Lock
from typing import Any

import numpy as np

from emovoz.corpus.corpus import Corpus
from emovoz.errors import InputError


class TooFewClipsError(InputError):
    """So few clips that none can be held out."""


def grouped_folds(corpus: Corpus, column: str, folds: int) -> list[list[int]]:
    """Test positions of each fold; all clips of a group stay together.

    Groups are sorted by name and dealt to the folds in turn, so the folds are the same for every seed.

    Raises:
        InputError: fewer groups than folds, or a clip without a group.
    """
    values = corpus.values(column)
    groups = sorted(set(values))
    if not 2 <= folds <= len(groups):
        raise InputError(f"{folds} folds cannot be made of {len(groups)} groups of {column!r}; give 2 to {len(groups)}")
    fold_of = {group: i % folds for i, group in enumerate(groups)}
    return [[i for i, value in enumerate(values) if fold_of[value] == fold] for fold in range(folds)]


@dataclass(frozen=True)
class Fold:
    """Positions of the clips tested and of those trained on, and the groups that are tested, by column."""

    test: list[int]
    train: list[int]
    groups: dict[str, list[str]]


def crossed_folds(corpus: Corpus, folds: Mapping[str, int]) -> list[Fold]:
    """Folds whose test clips share a group of no column with the clips trained on.

    Every column is dealt as in `grouped_folds`. A fold tests the clips that one part of each column has in common, and
    trains on those that are in none of these parts; combinations without a clip are left out. So every clip is tested
    once, and of several columns those clips are left aside that share a group of one column only.

    Args:
        corpus: the clips.
        folds: how many parts each column is dealt to.

    Raises:
        InputError: fewer groups than folds, or a clip without a group.
    """
    parts = [grouped_folds(corpus, column, count) for column, count in folds.items()]
    values = [corpus.values(column) for column in folds]
    found = []
    for chosen in product(*parts):
        test = sorted(set.intersection(*map(set, chosen)))
        if test:
            train = sorted(set(range(len(corpus))) - set().union(*chosen))
            groups = [sorted({of[i] for i in part}) for of, part in zip(values, chosen, strict=True)]
            found.append(Fold(test, train, dict(zip(folds, groups, strict=True))))
    return found


def stratified_folds(corpus: Corpus, folds: int, seed: int = 0) -> list[list[int]]:
    """Test positions of each fold; every fold has the labels in the corpus's proportions.

    Raises:
        InputError: fewer than two folds, more folds than any label has clips, or a clip without a label.
    """
    from sklearn.model_selection import StratifiedKFold

    labels = corpus.values("label")
    most = max(Counter(labels).values())
    if not 2 <= folds <= most:
        raise InputError(
            f"{folds} folds cannot be made: the commonest label has {most} clips; give 2 to {most} folds"
            if most >= 2
            else "folds cannot be made: no label has more than one clip"
        )
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return [list(map(int, test)) for _, test in _quietly_split(splitter, labels)]


def held_out(corpus: Corpus, fraction: float, *, group: str = "speaker", seed: int) -> tuple[list[int], list[int]]:
    """Positions of (the rest, the held-out part) of a corpus, stratified by label.

    Where every clip names its group (by default its speaker) and there are at least three groups, no group is on
    both sides. A small corpus is cut into fewer, larger parts.

    Args:
        corpus: labelled clips.
        fraction: share to hold out, in (0, 0.5].
        group: the column whose values stay together.
        seed: which of the possible cuts.

    Raises:
        TooFewClipsError: no label has two clips, so nothing can be held out.
    """
    labels = corpus.values("label")
    cuts = _cuts(corpus, max(2, round(1 / fraction)), group, seed)
    # groups differ in size: the part nearest to the share wanted, and among equals one by seed
    order = np.random.default_rng(seed).permutation(len(cuts))
    return min((cuts[i] for i in order), key=lambda cut: abs(len(cut[1]) - fraction * len(labels)))


def inner_folds(corpus: Corpus, folds: int, *, group: str = "speaker", seed: int) -> list[tuple[list[int], list[int]]]:
    """Positions of (the rest, the held-out part) for each part of a corpus; every clip is held out once.

    The parts are cut as in `held_out`; of a small corpus there are fewer.

    Args:
        corpus: labelled clips.
        folds: parts, at least 2.
        group: the column whose values stay together.
        seed: which of the possible cuts.

    Raises:
        TooFewClipsError: no label has two clips, or without a part a single label is left, so nothing can be held out.
    """
    cuts = _cuts(corpus, folds, group, seed)
    if any(len({corpus.clips[i].label for i in rest}) < 2 for rest, _ in cuts):
        raise TooFewClipsError(
            f"inner folds cannot be made: in one of {len(cuts)} only one label would be left to learn from; "
            "give dev clips, or more clips"
        )
    return cuts


def _cuts(corpus: Corpus, parts: int, group: str, seed: int) -> list[tuple[list[int], list[int]]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels = corpus.values("label")
    parts = min(parts, max(Counter(labels).values()))
    if parts < 2:
        raise TooFewClipsError(
            "no dev part can be held out: no label has more than one clip; give dev clips of your own"
        )
    groups = [clip.value(group) for clip in corpus]
    if None not in groups and len(set(groups)) >= 3:
        splitter = StratifiedGroupKFold(min(parts, len(set(groups))), shuffle=True, random_state=seed)
        cuts = _quietly_split(splitter, labels, groups)
    else:
        cuts = _quietly_split(StratifiedKFold(parts, shuffle=True, random_state=seed), labels)
    return [(list(map(int, rest)), list(map(int, held))) for rest, held in cuts if len(rest) and len(held)]


_QUIET = Lock()


def _quietly_split(splitter: Any, labels: Sequence[str], groups: Any = None) -> list[tuple[Any, Any]]:
    # what is shown of warnings is one for all threads
    with _QUIET, warnings.catch_warnings():
        # a label rarer than the folds is dealt as far as it goes, which is what is wanted
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(splitter.split(np.zeros(len(labels)), labels, groups))
