"""The picture of a timeline: the waveform with the emotions, and their probabilities below."""

from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from emovoz.pictures.clock import clock
from emovoz.pictures.lettering import PLAIN
from emovoz.pictures.palette import LOOKS, Look, colours

if TYPE_CHECKING:
    from emovoz.corpus.envelope import Envelope
    from emovoz.inference.segment import Segment
    from emovoz.inference.timeline import Timeline

_WIDTH, _HEIGHT, _DOTS = 12.0, 5.2, 160
_LEFT, _RIGHT = 0.055, 0.985
_STROKES = 160
"""At most so many steps of a curve: more would be a thicket."""
_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_TICKS = 10
_STRIP = 0.16
"""Height of the strip with the names of the emotions, of the waveform's."""


def draw_timeline(timeline: "Timeline", look: str = "light") -> bytes:
    """A PNG of a timeline.

    Args:
        timeline: with the outline of its waveform.
        look: `light` or `dark`.
    """
    paint, colour = LOOKS[look], colours(timeline.labels, LOOKS[look])
    with rc_context(PLAIN):
        return _drawn(timeline, paint, colour)


def _drawn(timeline: "Timeline", paint: Look, colour: dict[str, str]) -> bytes:
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DOTS, facecolor=paint.paper)
    _heading(figure, timeline, paint)
    _legend(figure, timeline, colour, paint)
    wave = figure.add_axes((_LEFT, 0.47, _RIGHT - _LEFT, 0.345))
    curves = figure.add_axes((_LEFT, 0.09, _RIGHT - _LEFT, 0.335))
    for axes in (wave, curves):
        _plain(axes, timeline.seconds or 1.0, paint)
    _draw_wave(wave, timeline, colour, paint)
    _draw_curves(curves, timeline, colour, paint)
    content = BytesIO()
    figure.savefig(content, format="png", facecolor=paint.paper)
    return content.getvalue()


def _heading(figure: Figure, timeline: "Timeline", paint: Look) -> None:
    count = len(timeline.segments)
    told = f"{clock(timeline.seconds or 0)}  ·  {count} utterance{'' if count == 1 else 's'}  ·  {timeline.model}"
    figure.text(_LEFT, 0.945, PurePath(timeline.id).name, color=paint.ink, size=14, weight="bold", va="center")
    figure.text(_RIGHT, 0.945, told, color=paint.muted, size=10, va="center", ha="right")


def _legend(figure: Figure, timeline: "Timeline", colour: dict[str, str], paint: Look) -> None:
    """Every label with its share of the speech."""
    total = sum(one.seconds for one in timeline.segments) or 1.0
    share = {
        label: sum(one.seconds for one in timeline.segments if one.label == label) / total for label in timeline.labels
    }
    width, height = _WIDTH * _DOTS, _HEIGHT * _DOTS
    at = _LEFT
    for label in timeline.labels:
        text = figure.text(at + 0.014, 0.875, label, color=paint.ink, size=10.5, va="center")
        figure.add_artist(Rectangle((at, 0.875 - 7 / height), 14 / width, 14 / height, color=colour[label], lw=0))
        end = text.get_window_extent().x1 / width
        part = figure.text(end + 0.005, 0.875, f"{share[label]:.0%}", color=paint.muted, size=10.5, va="center")
        at = part.get_window_extent().x1 / width + 0.022


def _plain(axes: Axes, seconds: float, paint: Look) -> None:
    """Axes with the recording's time and nothing superfluous."""
    axes.set_facecolor(paint.paper)
    axes.set_xlim(0, seconds)
    for side in axes.spines.values():
        side.set_visible(False)
    step = next((step for step in _STEPS if seconds / step <= _TICKS), _STEPS[-1] * 2)
    ticks = np.arange(0, seconds + step / 1000, step)
    axes.set_xticks(ticks, [clock(tick) for tick in ticks])
    if ticks[-1] > 0.97 * seconds:
        axes.get_xticklabels()[-1].set_horizontalalignment("right")
    axes.tick_params(length=0, colors=paint.muted, labelsize=10, pad=5)


def _draw_wave(axes: Axes, timeline: "Timeline", colour: dict[str, str], paint: Look) -> None:
    axes.tick_params(labelbottom=False)
    axes.set_yticks([])
    axes.set_ylim(-1.05, 1.05 + 2.1 * _STRIP)
    shades = [_shade(one, colour, paint) for one in timeline.segments]
    if shades:
        starts = np.array([one.start for one in timeline.segments])
        ends = np.array([one.end for one in timeline.segments])
        axes.add_collection(_bars(starts, ends, -1.05, 1.05, shades, alpha=0.16))
        axes.add_collection(_bars(starts, ends, 1.09, 1.05 + 2.1 * _STRIP, shades))
    for one, shade in zip(timeline.segments, shades, strict=True):
        _name(axes, one, shade, timeline.seconds or 1.0)
    if timeline.envelope is not None and len(timeline.envelope.lows):
        _draw_outline(axes, timeline, timeline.envelope, colour, paint)
    if not timeline.segments:
        told = timeline.error or "no speech found"
        placed: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.43, told, color=paint.muted, size=12, bbox={"color": paint.paper}, **placed)


def _draw_outline(axes: Axes, timeline: "Timeline", envelope: "Envelope", colour: dict[str, str], paint: Look) -> None:
    """The waveform, each stretch in the colour of the utterance around it."""
    lows, highs, width = envelope.lows, envelope.highs, envelope.bin_seconds
    loudest = max(float(np.abs(lows).max()), float(np.abs(highs).max()), 1e-4)
    starts = np.arange(len(lows)) * width
    shades = np.full(len(lows), paint.muted, dtype=object)
    for one in timeline.segments:
        shades[np.searchsorted(starts, one.start) : np.searchsorted(starts, one.end)] = _shade(one, colour, paint)
    middles = (highs + lows) / loudest / 2
    # silence is a line, and not a gap
    halves = np.maximum((highs - lows) / loudest, 0.012) / 2
    bars = _bars(starts, starts + width, middles - halves, middles + halves, list(shades))
    axes.add_collection(bars)


def _bars(
    lefts: np.ndarray,
    rights: np.ndarray,
    bottoms: np.ndarray | float,
    tops: np.ndarray | float,
    shades: Sequence[str],
    **kind: Any,
) -> PolyCollection:
    bottoms, tops = np.broadcast_to(bottoms, lefts.shape), np.broadcast_to(tops, lefts.shape)
    corners = [(lefts, bottoms), (rights, bottoms), (rights, tops), (lefts, tops)]
    vertices = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    return PolyCollection(list(vertices), facecolors=list(shades), linewidths=0, antialiaseds=False, **kind)


def _name(axes: Axes, one: "Segment", shade: str, seconds: float) -> None:
    """The name of the emotion in its strip, where there is room for it."""
    name = one.label or "?"
    room = one.seconds / seconds * _WIDTH * 72 * (_RIGHT - _LEFT)
    if room > 5.3 * len(name) + 3:
        axes.text(one.middle, 1.07 + 1.05 * _STRIP, name, color=_on(shade), size=8.5, ha="center", va="center")


def _draw_curves(axes: Axes, timeline: "Timeline", colour: dict[str, str], paint: Look) -> None:
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.yaxis.grid(True, color=paint.rule, lw=0.8)
    axes.xaxis.grid(True, color=paint.rule, lw=0.5)
    axes.set_axisbelow(True)
    axes.set_ylabel("probability", color=paint.muted, size=10)
    strokes = _strokes(timeline)
    for label in timeline.labels:
        levels = [((start, scores[label]), (end, scores[label])) for start, end, scores in strokes]
        between = [(one[1], other[0]) for one, other in pairwise(levels)]
        chosen = [max(scores, key=lambda name: scores[name]) == label for _, _, scores in strokes]
        axes.add_collection(LineCollection(between, colors=colour[label], linewidths=1.1, alpha=0.45))
        thin = 1.8 if len(strokes) < 60 else 1.1
        widths = [1.9 * thin if here else thin for here in chosen]
        axes.add_collection(
            LineCollection(levels, colors=colour[label], linewidths=widths, capstyle="round", zorder=2.5)
        )


def _strokes(timeline: "Timeline") -> list[tuple[float, float, dict[str, float]]]:
    """(start, end, scores) of utterances, neighbours joined where there are too many to be seen apart."""
    least = (timeline.seconds or 0.0) / _STROKES
    strokes: list[list[Segment]] = []
    for one in timeline.segments:
        if one.error is not None:
            continue
        if strokes and one.end - strokes[-1][0].start <= least:
            strokes[-1].append(one)
        else:
            strokes.append([one])
    return [(group[0].start, group[-1].end, _mean(group)) for group in strokes]


def _mean(group: Sequence["Segment"]) -> dict[str, float]:
    from emovoz.inference.smoothing import weighted_mean

    return weighted_mean((one.seconds, one.scores) for one in group)


def _shade(one: "Segment", colour: dict[str, str], paint: Look) -> str:
    return paint.muted if one.label is None else colour[one.label]


def _on(shade: str) -> str:
    """Black or white, whichever is read better on a colour."""
    red, green, blue = (int(shade[at : at + 2], 16) for at in (1, 3, 5))
    return "#14171a" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"
