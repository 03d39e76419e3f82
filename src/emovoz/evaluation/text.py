"""Results as a few lines for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from emovoz.evaluation.comparison import is_baseline
from emovoz.training.selected import selected_in

_TITLES = {"macro_f1": "macro-F1", "uar": "UAR", "accuracy": "accuracy"}


def summary(results: Mapping[str, Any]) -> str:
    """Scores with both intervals; of one run also labels and speakers, of several the differences to the first."""
    if "runs" in results:
        return "\n".join(_compared(results["runs"], results.get("comparisons") or []) + _selected(results["runs"]))
    one = {results["recipe"]["name"]: results}
    return "\n".join([*_headline(results), *_classes(results), *_speakers(results), *_selected(one)])


def _selected(runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = {name: selected_in(run.get("history") or []) for name, run in runs.items()}
    return [f"{name} selected {what}" for name, what in found.items() if what]


def _headline(run: Mapping[str, Any]) -> list[str]:
    name = run["recipe"]["name"]
    if run["macro_f1"] is None:
        return [_unscored(name, run)]
    scores = ", ".join(f"{title} {_score(run[key], 'ci95')}" for key, title in _TITLES.items())
    lines = [f"{name}: {scores}  ({run['n']} clips, {_seeds(run)}, ECE {run['ece']:.3f})"]
    if run["macro_f1"].get("ci95_speakers"):
        wider = ", ".join(f"{title} {_range(run[key]['ci95_speakers'])}" for key, title in _TITLES.items())
        lines.append(f"these intervals: 95 %, over clips; over speakers, as for new voices: {wider}")
    if run.get("by_fold"):
        spread = ", ".join(f"{title} {_spread(run['by_fold'][key])}" for key, title in _TITLES.items())
        lines.append(f"{len(run['folds'])} folds, mean ± standard deviation: {spread}")
    return lines


def _compared(runs: Mapping[str, Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    scored = {name: run for name, run in runs.items() if run["macro_f1"] is not None}
    lines = [_unscored(name, run) for name, run in runs.items() if name not in scored]
    if scored:
        heads = ["macro-F1", "over clips", "over speakers", "by fold", "UAR", "accuracy", "ECE"]
        rows = [["recipe", *heads], *([_marked(name), *_cells(run)] for name, run in scored.items())]
        some = next(iter(scored.values()))
        lines += [*_aligned(rows), f"{some['n']} clips, {_seeds(some)}; intervals: 95 %; by fold: mean ± deviation"]
    first = next(iter(runs))
    against = [pair for pair in pairs if pair["a"] == first]
    if against:
        heads = ["over clips", "over speakers", "right alone", "McNemar p"]
        rows = [[f"macro-F1 of {first} minus", "", *heads], *(_difference(pair) for pair in against)]
        lines += ["", *_aligned(rows)]
        lines.append("paired: the same clips, the same resamples; p is not adjusted for the number of comparisons")
    return lines


def _unscored(name: str, run: Mapping[str, Any]) -> str:
    return f"{name}: {run['data']['n']} clips predicted; none has a label, so there is no score"


def _marked(name: str) -> str:
    return f"{name} (baseline)" if is_baseline(name) and not name.startswith("baseline") else name


def _cells(run: Mapping[str, Any]) -> list[str]:
    best = run["macro_f1"]
    spread = _spread(run["by_fold"]["macro_f1"]) if run.get("by_fold") else "–"
    more = [f"{run[key]['value']:.3f}" for key in ("uar", "accuracy")]
    return [
        f"{best['value']:.3f}",
        _range(best["ci95"]),
        _range(best.get("ci95_speakers")),
        spread,
        *more,
        f"{run['ece']:.3f}",
    ]


def _difference(pair: Mapping[str, Any]) -> list[str]:
    difference, test = pair["difference"], pair["mcnemar"]
    return [
        _marked(pair["b"]),
        f"{difference['value']:+.3f}",
        _range(difference["ci95"], sign="+"),
        _range(difference["ci95_speakers"], sign="+"),
        f"{test['a_only_right']} : {test['b_only_right']}",
        f"{test['p']:.3f}" if test["p"] >= 0.001 else "< 0.001",
    ]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines: names on the left, numbers flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _score(score: Mapping[str, Any], key: str) -> str:
    return f"{score['value']:.3f} {_range(score[key])}"


def _range(interval: Sequence[float] | None, sign: str = "") -> str:
    return f"[{interval[0]:{sign}.3f}, {interval[1]:{sign}.3f}]" if interval else "–"


def _spread(spread: Mapping[str, float]) -> str:
    return f"{spread['mean']:.3f} ± {spread['sd']:.3f}"


def _seeds(run: Mapping[str, Any]) -> str:
    return "1 seed" if len(run["seeds"]) == 1 else f"{len(run['seeds'])} seeds"


def _classes(run: Mapping[str, Any]) -> list[str]:
    if run["per_class"] is None:
        return []
    width = max(len("label"), *map(len, run["labels"]))
    rows = [f"{'label':{width}}  precision  recall     F1  clips"]
    for label, row in run["per_class"].items():
        numbers = f"{row['precision']:9.3f} {row['recall']:7.3f} {row['f1']:6.3f} {row['support']:6d}"
        rows.append(f"{label:{width}}  {numbers}")
    return rows


def _speakers(run: Mapping[str, Any]) -> list[str]:
    if len(run["speakers"]) < 2:
        return []
    ranked = sorted(run["speakers"], key=lambda row: (row["uar"], row["speaker"]))
    worst, best = (f"{row['uar']:.3f} ({row['speaker']}, n={row['n']})" for row in (ranked[0], ranked[-1]))
    return [f"{len(ranked)} speakers: UAR from {worst} to {best}"]
