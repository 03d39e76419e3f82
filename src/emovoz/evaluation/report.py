"""The results of an evaluation as one self-contained HTML page."""

import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from emovoz.evaluation.cards import cards_of
from emovoz.evaluation.charts import curve_panel, reliability_panel
from emovoz.evaluation.compared_runs import compared_runs
from emovoz.evaluation.comparison import is_baseline
from emovoz.evaluation.contamination import contamination_told
from emovoz.evaluation.sounds import Sound
from emovoz.files import write_whole
from emovoz.page import axis_of, finite, templates_of
from emovoz.training.selected import told

WORST, BEST = 15, 5
"""Speakers shown where there are more than both together."""
WORDS = 120
"""Characters of a transcription that are shown."""
NO_SOUNDS: Mapping[str, Sound] = MappingProxyType({})


def write_report(
    results: Mapping[str, Any],
    path: Path,
    *,
    title: str = "emovoz report",
    sounds: Mapping[str, Sound] = NO_SOUNDS,
) -> None:
    """Write the report; the file appears whole or not at all.

    Args:
        results: of one run, or `{"runs": {name: results}}` to compare several.
        path: of the HTML file.
        title: heading of the page.
        sounds: of the clips that can be played, by their id (see `sounds_of`).
    """
    write_whole(path, render_report(results, title=title, sounds=sounds))


def render_report(
    results: Mapping[str, Any], *, title: str = "emovoz report", sounds: Mapping[str, Sound] = NO_SOUNDS
) -> str:
    """The report as HTML that asks nothing of the network; arguments as for `write_report`."""
    runs = results.get("runs", {"": results})
    environment = templates_of("evaluation")
    environment.filters |= {
        "score": _score,
        "count": _count,
        "seconds": _seconds,
        "settings": _settings,
        "chance": _chance,
        "signed": _signed,
    }
    template = environment.get_template("report.html.j2")
    views = [_run(name, run, sounds) for name, run in runs.items()]
    comparison = compared_runs(views, results.get("comparisons") or []) if "runs" in results else None
    return template.render(title=title, runs=views, comparison=comparison).lstrip()


def _run(name: str, results: Mapping[str, Any], sounds: Mapping[str, Sound]) -> dict[str, Any]:
    protocol, data = results.get("protocol") or {}, results.get("data") or {}
    labels, per_class = results.get("labels") or [], results.get("per_class") or {}
    # Without labels folds and seeds are listed all the same, but have no scores; closed-form fits have no epochs.
    repeats = {kind: _scored(results.get(kind) or []) for kind in ("folds", "seeds")}
    histories = [fit for fit in results.get("history") or [] if fit.get("epochs")]
    panels = [curve_panel(histories, measure) for measure in ("loss", "dev_macro_f1")]
    view = {
        "name": name,
        "baseline": is_baseline(name),
        "protocol": {key: value for key, value in protocol.items() if key not in ("name", "data_note")},
        "protocol_name": protocol.get("name"),
        "note": protocol.get("data_note"),
        "known": contamination_told(results.get("contamination")),
        "n": results.get("n", 0),
        "of": data.get("n") or results.get("n", 0),
        "runs": len(results.get("seeds") or []),
        "speakers": data.get("speakers"),
        "labels": labels,
        "longest": min(14, max(map(len, labels), default=0)),
        "scores": {key: _interval(results.get(key)) for key in ("macro_f1", "uar", "accuracy")},
        "classes": [(label, per_class[label]) for label in labels if label in per_class],
        "thresholds": _thresholds(results.get("history") or []),
        "confusion": _cells(results.get("confusion") or []),
        "confused": _most_confused(labels, results.get("confusion") or []),
        "temperature": _temperature(results.get("history") or []),
        **{key: results.get(key) for key in ("ece", "nll", "brier")},
        "reliability": reliability_panel(results.get("reliability") or []),
        "panels": [panel for panel in panels if panel],
        "fits": len(histories),
        **repeats,
        "spread": {kind: _spread([entry["macro_f1"] for entry in entries]) for kind, entries in repeats.items()},
        "crossed": _crossed(repeats["folds"]),
        "axis": axis_of([entry["macro_f1"] for entries in repeats.values() for entry in entries]),
        "voices": _voices(results.get("speakers") or []),
        "layers": {name: _layers(rows) for name, rows in (results.get("layer_weights") or {}).items()},
        "cards": cards_of(results.get("mistakes") or [], sounds),
        "hardest": _hardest(results.get("hardest") or [], sounds),
        "selection": _selection(results.get("history") or []),
        "recipe": results.get("recipe") or {},
        "data": data,
        "versions": results.get("versions") or {},
        "seconds": results.get("seconds") or {},
    }
    return view | _placed(view)


def _placed(view: Mapping[str, Any]) -> dict[str, Any]:
    """Which sections need the whole width, and the column of each other one: the one that is shorter so far."""
    wide = [name for name, parts in (("learning", view["panels"]), ("layers", view["layers"])) if len(parts) > 1]
    wide += ["folds"] if view["crossed"] else []
    voices = view["voices"]
    # about as many lines as the section takes, its heading and notes included
    lines = {
        "speakers": len(voices["worst"]) + len(voices["best"]) + 6 if voices else 0,
        "folds": len(view["folds"]) + 4 if view["folds"] else 0,
        "calibration": 16 if view["reliability"] else 0,
        "learning": 13 if view["panels"] else 0,
        "selection": len(view["selection"]["rows"]) + 6 if view["selection"] else 0,
        "seeds": len(view["seeds"]) + 4 if len(view["seeds"]) > 1 else 0,
        "layers": sum(len(mix["rows"]) for mix in view["layers"].values()) + 5 if view["layers"] else 0,
    }
    columns: tuple[list[str], list[str]] = ([], [])
    heights = [0, 0]
    for name in lines:
        if lines[name] and name not in wide:
            shorter = heights.index(min(heights))
            columns[shorter].append(name)
            heights[shorter] += lines[name]
    return {"wide": wide, "columns": columns}


def _crossed(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Folds of two columns as a matrix: parts of the one down, of the other across, None where they share no clip."""
    if not all(isinstance(fold.get("groups"), Mapping) and len(fold["groups"]) == 2 for fold in folds) or not folds:
        return None
    at = {tuple(map(tuple, fold["groups"].values())): fold for fold in folds}
    down, across = (list(dict.fromkeys(parts)) for parts in zip(*at, strict=True))
    return {
        "columns": list(folds[0]["groups"]),
        "across": sorted(across),
        "rows": [(part, [at.get((part, other)) for other in sorted(across)]) for part in down],
        "trained": sorted(fold["training_clips"] for fold in folds if "training_clips" in fold),
    }


def _interval(score: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if score is None or score.get("value") is None:
        return None
    return {"value": score["value"], "clips": score.get("ci95"), "speakers": score.get("ci95_speakers")}


def _scored(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [entry for entry in entries if finite([entry.get("macro_f1")])]


def _thresholds(fits: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Fitted thresholds: of how many fits, how many have unequal ones, and the mean of these for each label."""
    fitted = [fit["thresholds"] for fit in fits if fit.get("thresholds")]
    unequal = [thresholds for thresholds in fitted if len(set(thresholds.values())) > 1]
    means = {label: statistics.fmean(one[label] for one in unequal) for label in (unequal[0] if unequal else ())}
    return {"fits": len(fitted), "unequal": len(unequal), "means": means} if fitted else None


def _temperature(fits: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Fitted temperatures: of how many fits, their mean, the least and the greatest."""
    fitted = finite(fit.get("temperature") for fit in fits)
    return {"fits": len(fitted), **_range(fitted)} if fitted else None


def _range(values: Sequence[float]) -> dict[str, float]:
    return {"mean": statistics.fmean(values), "low": min(values), "high": max(values)}


def _cells(matrix: Sequence[Sequence[float]]) -> list[list[tuple[str, float | None]]]:
    # Averages over seeds are rarely whole: then every cell shows a decimal, so that columns line up.
    decimals = 0 if all(float(count).is_integer() for row in matrix for count in row) else 1
    totals = [sum(row) for row in matrix]
    return [
        [(f"{count:.{decimals}f}", count / total if total else None) for count in row]
        for row, total in zip(matrix, totals, strict=True)
    ]


def _most_confused(labels: Sequence[str], matrix: Sequence[Sequence[float]]) -> dict[str, Any] | None:
    wrong = [
        (clips, clips / sum(row), labels[i], labels[j])
        for i, row in enumerate(matrix)
        for j, clips in enumerate(row)
        if i != j and clips
    ]
    if not wrong:
        return None
    _, share, label, predicted = max(wrong, key=lambda cell: cell[:2])
    return {"label": label, "predicted": predicted, "share": share}


def _voices(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Speakers from worst to best; where they are many, both ends, and the UAR of those between."""
    if len(entries) < 2:
        return None
    ranked = sorted(entries, key=lambda entry: (entry["uar"], entry["speaker"]))
    scores = [entry["uar"] for entry in ranked]
    clips = statistics.median_low([entry["n"] for entry in ranked])
    mean = statistics.fmean(scores)
    many = len(ranked) > WORST + BEST
    return {
        "worst": ranked[:WORST] if many else ranked,
        "between": scores[WORST:-BEST] if many else [],
        "best": ranked[-BEST:] if many else [],
        "n": sum(entry["n"] for entry in ranked),
        "axis": axis_of(scores),
        "spread": _spread(scores),
        "clips": clips,
        "by_chance": math.sqrt(mean * (1 - mean) / clips),
    }


def _layers(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "rows": rows,
        "several": any(row["min"] < row["max"] for row in rows),
        "axis": axis_of([0.0, *(row["max"] for row in rows)]),
        "equal": 1 / len(rows),
    }


def _selection(fits: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Settings that were chosen from, the most chosen first: in how many fits, and macro-F1 on clips held out there."""
    chosen = [fit["selected"] for fit in fits if fit.get("selected")]
    found: dict[str, list[float]] = {}
    for selected in chosen:
        for candidate in selected["candidates"]:
            found.setdefault(told(candidate["settings"]), []).append(candidate["macro_f1"])
    times = Counter(told(selected["settings"]) for selected in chosen)
    ranked = sorted(found, key=lambda name: (-times[name], -statistics.fmean(found[name])))
    rows = [{"settings": name, "times": times[name], **_range(found[name])} for name in ranked]
    return {"fits": len(chosen), "by": chosen[0]["by"], "rows": rows} if chosen else None


def _hardest(clips: Sequence[Mapping[str, Any]], sounds: Mapping[str, Sound]) -> dict[str, Any]:
    players = {clip["id"]: sounds[clip["id"]].uri for clip in clips if clip["id"] in sounds}
    shown = [
        {**clip, "transcription": _shortened(clip.get("transcription") or ""), "uri": players.get(clip["id"])}
        for clip in clips
    ]
    return {
        "players": bool(players),
        "clips": shown,
        "speakers": any(clip.get("speaker") for clip in shown),
        "transcriptions": any(clip["transcription"] for clip in shown),
    }


def _shortened(words: str) -> str:
    return words if len(words) <= WORDS else words[: WORDS - 1].rstrip() + "…"


def _spread(scores: Sequence[float]) -> dict[str, float] | None:
    if len(scores) < 2:
        return None
    return {**_range(scores), "deviation": statistics.stdev(scores)}


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float) -> str:
    # a typographic minus is as wide as the plus
    return f"{value:+.3f}".replace("-", "−")


def _chance(probability: float) -> str:
    return f"{probability:.3f}" if probability >= 0.001 else "< 0.001"


def _count(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def _seconds(value: float) -> str:
    minutes, seconds = divmod(round(value), 60)
    return f"{value:.1f} s" if value < 120 else f"{minutes} min {seconds:02d} s"


class _Settings(yaml.SafeDumper):
    """YAML with every list on one line, as people write recipes."""


_Settings.add_representer(
    list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)
)


def _settings(values: Mapping[str, Any]) -> str:
    # Through JSON: tuples become the lists that a reader of the YAML expects.
    plain = json.loads(json.dumps(values))
    return yaml.dump(plain, Dumper=_Settings, sort_keys=False, allow_unicode=True, width=100).rstrip()
