"""The results of an evaluation as one self-contained HTML page."""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from emovoz.files import write_whole

_WIDTH, _HEIGHT = 420, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 410, 10, 190


def write_report(results: Mapping[str, Any], path: Path, *, title: str = "emovoz report") -> None:
    """Write the report; the file appears whole or not at all.

    Args:
        results: of one run, or `{"runs": {name: results}}` to compare several.
        path: of the HTML file.
        title: heading of the page.
    """
    write_whole(path, render_report(results, title=title))


def render_report(results: Mapping[str, Any], *, title: str = "emovoz report") -> str:
    """The report as HTML that asks nothing of the network; arguments as for `write_report`."""
    runs = results.get("runs", {"": results})
    # Labels, recipes and paths are the user's text: escaped everywhere, whatever the template's name ends in.
    environment = Environment(
        loader=PackageLoader("emovoz", "evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": _score, "count": _count, "seconds": _seconds, "settings": _settings}
    template = environment.get_template("report.html.j2")
    views = [_run(name, run) for name, run in runs.items()]
    comparison = _comparison(views) if "runs" in results else None
    return template.render(title=title, runs=views, comparison=comparison).lstrip()


def _run(name: str, results: Mapping[str, Any]) -> dict[str, Any]:
    protocol, data = results.get("protocol") or {}, results.get("data") or {}
    labels, per_class = results.get("labels") or [], results.get("per_class") or {}
    # Without labels folds and seeds are listed all the same, but have no scores; closed-form fits have no epochs.
    repeats = {kind: _scored(results.get(kind) or []) for kind in ("folds", "seeds")}
    histories = [fit for fit in results.get("history") or [] if fit.get("epochs")]
    return {
        "name": name,
        "protocol": {key: value for key, value in protocol.items() if key not in ("name", "data_note")},
        "protocol_name": protocol.get("name"),
        "note": protocol.get("data_note"),
        "n": results.get("n", 0),
        "of": data.get("n") or results.get("n", 0),
        "runs": len(results.get("seeds") or []),
        "speakers": data.get("speakers"),
        "labels": labels,
        "longest": min(14, max(map(len, labels), default=0)),
        "scores": {key: _interval(results.get(key)) for key in ("macro_f1", "uar", "accuracy")},
        "classes": [(label, per_class[label]) for label in labels if label in per_class],
        "confusion": _cells(results.get("confusion") or []),
        "ece": results.get("ece"),
        "panels": [panel for panel in (_panel(histories, "loss"), _panel(histories, "dev_macro_f1")) if panel],
        "fits": len(histories),
        **repeats,
        "spread": {kind: _spread(entries) for kind, entries in repeats.items()},
        "axis": _axis([entry["macro_f1"] for entries in repeats.values() for entry in entries]),
        "recipe": results.get("recipe") or {},
        "data": data,
        "versions": results.get("versions") or {},
        "seconds": results.get("seconds") or {},
    }


def _comparison(views: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scores = [view["scores"]["macro_f1"] for view in views if view["scores"]["macro_f1"]]
    notes = [view["note"] for view in views if view["note"]]
    return {
        "axis": _axis(_finite(score[key] for score in scores for key in ("value", "low", "high"))),
        "notes": {note: [view["name"] for view in views if view["note"] == note] for note in notes},
        "same_data": len({view["data"].get("fingerprint") for view in views}) <= 1,
    }


def _interval(score: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if score is None or score.get("value") is None:
        return None
    low, high = score.get("ci95") or (None, None)
    return {"value": score["value"], "low": low, "high": high}


def _scored(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [entry for entry in entries if _finite([entry.get("macro_f1")])]


def _cells(matrix: Sequence[Sequence[float]]) -> list[list[tuple[str, float | None]]]:
    # Averages over seeds are rarely whole: then every cell shows a decimal, so that columns line up.
    decimals = 0 if all(float(count).is_integer() for row in matrix for count in row) else 1
    totals = [sum(row) for row in matrix]
    return [
        [(f"{count:.{decimals}f}", count / total if total else None) for count in row]
        for row, total in zip(matrix, totals, strict=True)
    ]


def _spread(entries: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    scores = [entry["macro_f1"] for entry in entries]
    if len(scores) < 2:
        return None
    return {
        "mean": statistics.fmean(scores),
        "deviation": statistics.stdev(scores),
        "low": min(scores),
        "high": max(scores),
    }


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    ticks: list[tuple[float, str]]

    def at(self, value: float) -> float:
        """Where the value lies: 0 at the axis's start, 1 at its end."""
        return (value - self.low) / (self.high - self.low)


def _axis(values: Sequence[float], *, whole: bool = False) -> _Axis | None:
    # Scores and losses get round ends; epochs are whole and begin and end where the data does.
    if not values:
        return None
    low, high = min(values), max(values)
    rough = (high - low or 0.1) / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough * 0.999)
    step = max(step, 1.0) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = [(tick * step, f"{tick * step:.{decimals}f}") for tick in range(first, last + 1)]
    if whole:
        return _Axis(low, max(high, low + 1), [(low, f"{low}"), *(tick for tick in ticks if low < tick[0] <= high)])
    return _Axis(first * step, last * step, ticks)


def _panel(histories: Sequence[Mapping[str, Any]], measure: str) -> dict[str, Any] | None:
    fits = [(fit, _series(fit, measure)) for fit in histories]
    fits = [(fit, series) for fit, series in fits if series]
    across = _axis([epoch for _, series in fits for epoch in series], whole=True)
    up = _axis([value for _, series in fits for value in series.values()])
    if across is None or up is None:
        return None
    mean = _mean([series for _, series in fits])
    return {
        "measure": measure,
        "width": _WIDTH,
        "height": _HEIGHT,
        "frame": {"left": _LEFT, "right": _RIGHT, "top": _TOP, "bottom": _BOTTOM},
        "across": [(_x(across, value), text) for value, text in across.ticks],
        "up": [(_y(up, value), text) for value, text in up.ticks],
        "fits": [(_fit_name(fit), _points(series, across, up)) for fit, series in fits],
        "mean": _points(mean, across, up),
        "first": next(iter(mean.items())),
        "last": list(mean.items())[-1],
    }


def _series(fit: Mapping[str, Any], measure: str) -> dict[int, float]:
    epochs = [(entry["epoch"], entry.get(measure)) for entry in fit.get("epochs") or []]
    return {epoch: value for epoch, value in epochs if value is not None and math.isfinite(value)}


def _mean(fits: Sequence[Mapping[int, float]]) -> dict[int, float]:
    # Where early stopping has left only a few fits, their mean would look like a turn of the curve.
    values = {epoch: [fit[epoch] for fit in fits if epoch in fit] for epoch in sorted({e for fit in fits for e in fit})}
    enough = min(len(fits) / 2, max(len(those) for those in values.values()))
    return {epoch: statistics.fmean(those) for epoch, those in values.items() if len(those) >= enough}


def _points(series: Mapping[int, float], across: _Axis, up: _Axis) -> list[tuple[float, float]]:
    return [(_x(across, epoch), _y(up, value)) for epoch, value in series.items()]


def _x(axis: _Axis, value: float) -> float:
    return round(_LEFT + axis.at(value) * (_RIGHT - _LEFT), 1)


def _y(axis: _Axis, value: float) -> float:
    return round(_BOTTOM - axis.at(value) * (_BOTTOM - _TOP), 1)


def _fit_name(fit: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {fit[key]}" for key in ("fold", "seed") if fit.get(key) is not None)


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


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
