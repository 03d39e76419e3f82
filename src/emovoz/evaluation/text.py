"""Results as a few lines for the terminal."""

from collections.abc import Mapping
from typing import Any

from emovoz.training.selected import selected_in


def summary(results: Mapping[str, Any]) -> str:
    """Scores with intervals; for one run also a table of classes and the range of speakers."""
    runs = results["runs"] if "runs" in results else {results["recipe"]["name"]: results}
    lines = [_line(name, run) for name, run in runs.items()]
    if len(runs) == 1:
        (run,) = runs.values()
        lines += _classes(run) + _speakers(run)
    selected = {name: selected_in(run.get("history") or []) for name, run in runs.items()}
    lines += [f"{name} selected {what}" for name, what in selected.items() if what]
    return "\n".join(lines)


def _line(name: str, run: Mapping[str, Any]) -> str:
    if run["macro_f1"] is None:
        return f"{name}: {run['data']['n']} clips predicted; none has a label, so there is no score"
    scores = ", ".join(f"{title} {_interval(run[key])}" for key, title in _TITLES.items())
    return f"{name}: {scores}  ({run['n']} clips, {_seeds(run)}, ECE {run['ece']:.3f})"


_TITLES = {"macro_f1": "macro-F1", "uar": "UAR", "accuracy": "accuracy"}


def _interval(score: Mapping[str, Any]) -> str:
    low, high = score["ci95"]
    return f"{score['value']:.3f} [{low:.3f}, {high:.3f}]"


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
