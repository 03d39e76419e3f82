"""Histograms and strips laid out for SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

from emovoz.auditing.summary import spread
from emovoz.page import Axis, axis_of

BINS = 5
"""Bars between two ticks."""
DOTS = 120
"""Clips drawn of a group; of more, as many evenly through the ranks."""
ROWS = 24
"""Groups shown; of more, those at both ends."""
_WIDTH, _HEIGHT = 420, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 410, 10, 150


def histogram(name: str, unit: str, values: Sequence[float]) -> dict[str, Any] | None:
    """Bars in the coordinates of an SVG, None where there is nothing to count.

    Where the greatest values lie far out, they are counted in a last bar of their own.

    Args:
        name: of what is measured.
        unit: under the axis.
        values: one a clip.
    """
    if not values:
        return None
    ranked = sorted(values)
    usual = ranked[round(0.99 * (len(ranked) - 1))]
    far = [value for value in ranked if value > 2 * usual] if usual > 0 else []
    near = ranked[: len(ranked) - len(far)]
    across = axis_of(near)
    assert across is not None
    counts = _counted(near, across)
    up = axis_of([0, max(*counts, len(far))])
    assert up is not None
    step = (_RIGHT - _LEFT) / (len(counts) + (2 if far else 0))
    ends = _LEFT + step * len(counts)
    width = (across.high - across.low) / len(counts)
    bars = [
        _bar(_LEFT + i * step, step, count, up, f"{across.low + i * width:g} to {across.low + (i + 1) * width:g}")
        for i, count in enumerate(counts)
        if count
    ]
    return {
        "name": name,
        "unit": unit,
        "width": _WIDTH,
        "height": _HEIGHT,
        "frame": {"left": _LEFT, "right": _RIGHT, "top": _TOP, "bottom": _BOTTOM},
        "bars": bars,
        "beyond": _bar(ends + step, step, len(far), up, f"above {2 * usual:g}") if far else None,
        "far": {"count": len(far), "above": 2 * usual, "most": ranked[-1]} if far else None,
        "across": [(round(_LEFT + across.at(value) * (ends - _LEFT), 1), text) for value, text in across.ticks],
        "up": [(_y(up, value), text) for value, text in up.ticks if float(value).is_integer()],
        "median": round(_LEFT + min(1.0, across.at(ranked[len(ranked) // 2])) * (ends - _LEFT), 1),
    }


def strips(groups: Mapping[str, Sequence[float]]) -> dict[str, Any] | None:
    """A row for each group with the values of its clips, None where there are fewer than two groups.

    Args:
        groups: values, ascending, of each; in the order of their medians.
    """
    if len(groups) < 2:
        return None
    axis = axis_of([value for own in groups.values() for value in own])
    rows = [{"name": name, "n": len(own), "dots": _thinned(own), **(spread(own) or {})} for name, own in groups.items()]
    between = max(0, len(rows) - ROWS)
    half = ROWS // 2
    shown = rows if not between else rows[:half] + rows[-half:]
    return {"axis": axis, "rows": shown, "between": between, "half": half}


def _counted(values: Sequence[float], axis: Axis) -> list[int]:
    bins = BINS * (len(axis.ticks) - 1)
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int(axis.at(value) * bins + 1e-9))] += 1
    return counts


def _bar(x: float, width: float, count: int, up: Axis, what: str) -> dict[str, Any]:
    # one clip among thousands is still to be seen
    y = min(_y(up, count), _BOTTOM - 2)
    place = {"x": round(x, 1), "width": round(width - 1, 1), "y": y, "height": round(_BOTTOM - y, 1)}
    return {**place, "title": f"{what}: {count}"}


def _y(axis: Axis, value: float) -> float:
    return round(_BOTTOM - axis.at(value) * (_BOTTOM - _TOP), 1)


def _thinned(values: Sequence[float]) -> list[float]:
    if len(values) <= DOTS:
        return list(values)
    return [values[round(i * (len(values) - 1) / (DOTS - 1))] for i in range(DOTS)]
