"""What was selected in training, as lines for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


def selected_by(selected: Mapping[str, Any]) -> str:
    """A choice, what it was chosen from, and by what.

    >>> choice = {"settings": {"training.regularisation": 0.1}, "macro_f1": 0.5, "by": "5 inner folds", "clips": 90}
    >>> selected_by({**choice, "candidates": [{}, {}, {}]})
    'training.regularisation=0.1, of 3 by macro-F1 0.500 on 90 clips (5 inner folds)'
    """
    return (
        f"{told(selected['settings'])}, of {len(selected['candidates'])} by macro-F1 {selected['macro_f1']:.3f} "
        f"on {selected['clips']} clips ({selected['by']})"
    )


def selected_in(fits: Sequence[Mapping[str, Any]]) -> str | None:
    """How often what was chosen in several fits, the most frequent first; None where there was nothing to choose.

    >>> fits = [{"selected": {"settings": {"model.dropout": value}}} for value in (0.1, 0.5, 0.5)]
    >>> selected_in(fits)
    'model.dropout=0.5 in 2 of 3 fits, model.dropout=0.1 in 1'
    """
    chosen = Counter(told(fit["selected"]["settings"]) for fit in fits if fit.get("selected"))
    (first, count), *others = chosen.most_common() or [("", 0)]
    rest = "".join(f", {name} in {times}" for name, times in others)
    return f"{first} in {count} of {len(fits)} fits{rest}" if count else None


def told(settings: Mapping[str, Any]) -> str:
    """Settings as one writes them after --set."""
    return " ".join(f"{name}={str(value).replace(' ', '')}" for name, value in settings.items())
