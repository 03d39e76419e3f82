"""What the report shows of several runs beside each other."""

from collections.abc import Mapping, Sequence
from typing import Any

from emovoz.evaluation.comparison import is_baseline
from emovoz.page import axis_of, finite


def compared_runs(views: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the template needs to compare.

    Args:
        views: what it needs of each run.
        pairs: the comparisons of results.json.
    """
    scores = [view["scores"]["macro_f1"] for view in views if view["scores"]["macro_f1"]]
    notes = [view["note"] for view in views if view["note"]]
    f1 = {view["name"]: {label: row["f1"] for label, row in view["classes"]} for view in views if view["classes"]}
    labels = list(dict.fromkeys(label for of_run in f1.values() for label in of_run))
    return {
        "f1": [(label, _with_best([of_run.get(label) for of_run in f1.values()])) for label in labels],
        "scored": list(f1),
        "axis": axis_of(_drawn(scores)),
        "speakers": any(score["speakers"] for score in scores),
        "folds": any(view["spread"]["folds"] for view in views),
        "calibrated": [view for view in views if view["ece"] is not None],
        "differences": _differences(pairs),
        "notes": {note: [view["name"] for view in views if view["note"] == note] for note in notes},
        "same_data": len({view["data"].get("fingerprint") for view in views}) <= 1,
    }


def _differences(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Pairs with the first run, which was named before anything was seen, and all others."""
    if not pairs:
        return None
    shown = [
        {
            "a": pair["a"],
            "b": pair["b"],
            "baseline": is_baseline(pair["b"]),
            "value": pair["difference"]["value"],
            "clips": pair["difference"]["ci95"],
            "speakers": pair["difference"]["ci95_speakers"],
            **pair["mcnemar"],
        }
        for pair in pairs
    ]
    first = pairs[0]["a"]
    return {
        "first": first,
        "against": [pair for pair in shown if pair["a"] == first],
        "others": [pair for pair in shown if pair["a"] != first],
        "speakers": any(pair["speakers"] for pair in shown),
        # zero is always on it: what the difference is held against
        "axis": axis_of([0.0, *_drawn(shown)]),
    }


def _drawn(scores: Sequence[Mapping[str, Any]]) -> list[float]:
    ends = [end for score in scores for key in ("clips", "speakers") for end in score[key] or ()]
    return finite([*(score["value"] for score in scores), *ends])


def _with_best(scores: Sequence[float | None]) -> list[tuple[float | None, bool]]:
    # as good as the best where the digits shown are the same
    best = max((round(score, 3) for score in scores if score is not None), default=None)
    return [(score, score is not None and round(score, 3) == best) for score in scores]
