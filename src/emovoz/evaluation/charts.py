"""Learning curves and reliability diagrams laid out for SVG."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from emovoz.page import Axis, axis_of

_WIDTH, _HEIGHT = 420, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 410, 10, 190


def curve_panel(histories: Sequence[Mapping[str, Any]], measure: str) -> dict[str, Any] | None:
    """One measure's curve for every fit and their mean, in the coordinates of an SVG; None where nothing was measured.

    They run over epochs, or over steps where there were validations within an epoch.

    Args:
        histories: fits with their epochs, as in results.json.
        measure: `loss` or `dev_macro_f1`.
    """
    entries = [entry for fit in histories for entry in fit.get("epochs") or []]
    unit = "epoch" if all(float(entry["epoch"]).is_integer() for entry in entries) else "step"
    fits = [(fit, _series(fit, measure, unit)) for fit in histories]
    fits = [(fit, series) for fit, series in fits if series]
    across = axis_of([at for _, series in fits for at in series], whole=True)
    up = axis_of([value for _, series in fits for value in series.values()])
    if across is None or up is None:
        return None
    mean = _mean([series for _, series in fits])
    return {
        "measure": measure,
        "unit": unit,
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


def reliability_panel(bins: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """A reliability diagram in the coordinates of an SVG; None where no clip was scored.

    Args:
        bins: of confidence, as in results.json.
    """
    most = max((of["n"] for of in bins), default=0)
    if not most:
        return None
    unit, floor, deep = Axis(0.0, 1.0, []), _BOTTOM + 80, 38
    bars = [
        {
            **of,
            "x": _x(unit, of["low"]) + 0.75,
            "width": round(_x(unit, of["high"]) - _x(unit, of["low"]) - 1.5, 1),
            "top": _y(unit, of["accuracy"]),
            "count_top": round(floor - deep * of["n"] / most, 1),
        }
        for of in bins
        if of["n"]
    ]
    ticks = [(value, f"{value:.1f}") for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    return {
        "width": _WIDTH,
        "height": floor + 6,
        "frame": {"left": _LEFT, "right": _RIGHT, "top": _TOP, "bottom": _BOTTOM, "floor": floor},
        "across": [(_x(unit, value), text) for value, text in ticks],
        "up": [(_y(unit, value), text) for value, text in ticks],
        "bars": bars,
    }


def _series(fit: Mapping[str, Any], measure: str, unit: str) -> dict[int, float]:
    entries = [(entry[unit], entry.get(measure)) for entry in fit.get("epochs") or []]
    return {at: value for at, value in entries if value is not None and math.isfinite(value)}


def _mean(fits: Sequence[Mapping[int, float]]) -> dict[int, float]:
    # Where early stopping has left only a few fits, their mean would look like a turn of the curve.
    values = {at: [fit[at] for fit in fits if at in fit] for at in sorted({at for fit in fits for at in fit})}
    enough = min(len(fits) / 2, max(len(those) for those in values.values()))
    return {at: statistics.fmean(those) for at, those in values.items() if len(those) >= enough}


def _points(series: Mapping[int, float], across: Axis, up: Axis) -> list[tuple[float, float]]:
    return [(_x(across, at), _y(up, value)) for at, value in series.items()]


def _x(axis: Axis, value: float) -> float:
    return round(_LEFT + axis.at(value) * (_RIGHT - _LEFT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(_BOTTOM - axis.at(value) * (_BOTTOM - _TOP), 1)


def _fit_name(fit: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {fit[key]}" for key in ("fold", "seed") if fit.get(key) is not None)
