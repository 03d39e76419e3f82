"""The picture of an explanation: the clip's sound, what of it speaks for the label, the words, and the whole."""

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emovoz.corpus import load_audio
from emovoz.pictures.lettering import PLAIN
from emovoz.pictures.palette import LOOKS, Look, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from emovoz.explanation import Explanation, SecondScore, WordScore

WIDTH = 10.5
"""Of the picture, inches."""
DPI = 160
LINE = 0.30
"""Height of a line of words, inches."""
GAP = 0.36
"""Between panels, inches."""
RATE = 16000
TRIFLE = 0.1
"""Log-odds that change no probability by more than a fortieth."""
_FONT: Any = {"font.family": "sans-serif", "font.size": 9.5, "axes.unicode_minus": True}


def explanation_picture(explanation: "Explanation", *, dark: bool = False) -> bytes:
    """A PNG: on the left the clip over time and its words, on the right the label, the modalities and the check."""
    import matplotlib

    with matplotlib.rc_context(_FONT | PLAIN):
        figure = explanation_figure(explanation, dark=dark)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def explanation_figure(explanation: "Explanation", *, dark: bool = False) -> "Figure":
    """The same as a figure of matplotlib."""
    from matplotlib.figure import Figure

    look = LOOKS["dark" if dark else "light"]
    panels: list[tuple[float, Callable[[Axes], None]]] = []
    colour = colours(list(explanation.prediction.scores), look)[explanation.label]
    if explanation.seconds:
        samples = load_audio(_audio(explanation), RATE, start=explanation.clip.start, end=explanation.clip.end)
        panels += [
            (0.9, lambda axes: _wave(axes, explanation, samples, look, colour)),
            (1.35, lambda axes: _mel(axes, samples, look)),
            (1.0, lambda axes: _curve(axes, explanation, look, colour)),
        ]
    lines = _lines(explanation)
    if lines:
        panels.append((LINE * len(lines) + 0.25, lambda axes: _words(axes, explanation, lines, look, colour)))
    side = _side_height(explanation)
    body = max(side, sum(height + GAP for height, _ in panels) - GAP)
    top, bottom = 1.05, 0.4
    height = top + body + bottom
    figure = Figure(figsize=(WIDTH, height), facecolor=look.paper)
    _title(figure, explanation, look, colour, height)
    _left(figure, panels, height, height - top, look)
    _right(figure, explanation, look, height, top)
    return figure


def _left(
    figure: "Figure",
    panels: Sequence[tuple[float, Callable[["Axes"], None]]],
    height: float,
    at: float,
    look: Look,
) -> None:
    """The panels one under the other, from `at` inches above the bottom down."""
    for tall, draw in panels:
        axes = figure.add_axes((0.065, (at - tall) / height, 0.545, tall / height), facecolor=look.paper)
        draw(axes)
        at -= tall + GAP


def _title(figure: "Figure", explanation: "Explanation", look: Look, colour: str, height: float) -> None:
    told, label = explanation.prediction, explanation.label
    why = "" if label == told.label else f"   (the decision is {told.label})"
    figure.text(0.065, 1 - 0.36 / height, f"Why {label}?", color=look.ink, fontsize=17, fontweight="bold", va="center")
    figure.text(0.065, 1 - 0.64 / height, _short(explanation.id, 70) + why, color=look.muted, fontsize=9.5, va="center")


def _wave(axes: "Axes", explanation: "Explanation", samples: np.ndarray, look: Look, colour: str) -> None:
    seconds = len(samples) / RATE
    size = max(1, len(samples) // 900)
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    times = (np.arange(len(blocks)) + 0.5) * size / RATE
    most = _most(explanation.seconds)
    axes.fill_between(times, blocks.min(1), blocks.max(1), color=look.muted, alpha=0.35, linewidth=0, step="mid")
    for one in explanation.seconds:
        if one.score > 0:
            there = (times >= one.start - size / RATE) & (times <= one.end + size / RATE)
            axes.fill_between(
                times[there], blocks.min(1)[there], blocks.max(1)[there], color=colour, linewidth=0, step="mid",
                alpha=min(1.0, one.score / most),
            )  # fmt: skip
    loudest = float(np.abs(samples).max()) * 1.05
    axes.set(xlim=(0, seconds), ylim=(-loudest, loudest), yticks=[], xticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
    _name(axes, "sound", look)


def _mel(axes: "Axes", samples: np.ndarray, look: Look) -> None:
    import torch
    from matplotlib.colors import LinearSegmentedColormap

    from emovoz.encoders.log_mel import log_mel, mel_filters

    bands = log_mel(torch.from_numpy(samples), mel_filters(80)).numpy()
    heat = LinearSegmentedColormap.from_list("heat", [look.paper, look.accent, look.ink])
    axes.imshow(
        bands,
        origin="lower",
        aspect="auto",
        cmap=heat,
        extent=(0, len(samples) / RATE, 0, 80),
        interpolation="bilinear",
    )
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_color(look.rule)
    _name(axes, "mel", look)


def _curve(axes: "Axes", explanation: "Explanation", look: Look, colour: str) -> None:
    edges = [*(one.start for one in explanation.seconds), explanation.seconds[-1].end]
    scores = np.array([one.score for one in explanation.seconds])
    widths = np.diff(edges) * 0.94
    middles = (np.array(edges[1:]) + edges[:-1]) / 2
    for sign, of, alpha in ((1, colour, 1.0), (-1, look.muted, 0.55)):
        there = scores * sign > 0
        axes.bar(middles[there], scores[there], widths[there], color=of, alpha=alpha)
    axes.axhline(0, color=look.muted, linewidth=0.8)
    axes.set_xlim(edges[0], edges[-1])
    most = max(0.1, float(np.abs(scores).max())) * 1.15
    axes.set_ylim(min(-0.12 * most, float(scores.min()) * 1.15), max(0.12 * most, float(scores.max()) * 1.15))
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(axis="both", colors=look.muted, labelsize=8, length=2)
    axes.set_xlabel("seconds", color=look.muted, fontsize=8, loc="right", labelpad=1)
    for name, side in axes.spines.items():
        side.set_visible(name == "left")
        side.set_color(look.rule)
    if explanation.seconds[0].attention is None:
        _name(axes, "evidence", look)
    else:
        _attention(axes, explanation, middles, look)


def _attention(axes: "Axes", explanation: "Explanation", middles: np.ndarray, look: Look) -> None:
    """The head's attention as a line over the evidence, on a scale of its own."""
    shares = [one.attention or 0.0 for one in explanation.seconds]
    twin = axes.twinx()
    twin.step(middles, shares, where="mid", color=look.ink, linewidth=1.2, linestyle=(0, (3, 2)))
    twin.set_ylim(0, max(shares) * 1.2 or 1.0)
    twin.set_yticks([])
    for side in twin.spines.values():
        side.set_visible(False)
    _name(axes, "evidence, and dashed the head's attention", look)


def _lines(explanation: "Explanation", wide: int = 62) -> list[list[int]]:
    """The words of each line, about so many characters."""
    lines: list[list[int]] = []
    used = wide
    for i, word in enumerate(explanation.words):
        if used + len(word.text) + 2 > wide:
            lines.append([])
            used = 0
        lines[-1].append(i)
        used += len(word.text) + 2
    return lines


def _words(axes: "Axes", explanation: "Explanation", lines: list[list[int]], look: Look, colour: str) -> None:
    """Words that speak for the label filled by how much; those against it in a dashed frame."""
    most = _most(explanation.words)
    figure: Any = axes.figure
    renderer = figure.canvas.get_renderer() if hasattr(figure.canvas, "get_renderer") else _renderer(figure)
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    _name(axes, "words", look)
    box = axes.get_window_extent(renderer)
    for row, line in enumerate(lines):
        at, level = 0.0, 1 - (row + 0.5) / len(lines)
        for i in line:
            word = explanation.words[i]
            strength = abs(word.score) / most
            fill = _mixed(look.paper, colour, 0.85 * strength if word.score > 0 else 0.0)
            frame = "none" if word.score > 0 else _mixed(look.paper, look.muted, strength)
            box_style = {"boxstyle": "round,pad=0.28", "facecolor": fill, "edgecolor": frame, "linestyle": "--"}
            text = axes.text(at + 0.012, level, _short(word.text, 50), fontsize=11, va="center", bbox=box_style)
            text.set_color(_readable(look, fill))
            at += text.get_window_extent(renderer).width / box.width + 0.036


def _most(scored: Sequence["SecondScore | WordScore"]) -> float:
    """What has the full colour: the largest score, but no trifle."""
    return max(TRIFLE, *(abs(one.score) for one in scored))


def _side_height(explanation: "Explanation") -> float:
    scores, parts = explanation.prediction.scores, explanation.modalities.evidence
    return 0.26 * len(scores) + 0.26 * len(parts) + 0.5 * len(explanation.checks) + 0.95


def _right(figure: "Figure", explanation: "Explanation", look: Look, height: float, top: float) -> None:
    left, width = 0.72, 0.22
    palette = colours(list(explanation.prediction.scores), look)
    at = height - top + 0.17
    scores = sorted(explanation.prediction.scores.items(), key=lambda pair: -pair[1])
    at = _bars(
        figure, "probability", scores, (left, width, at, height), look, [palette[name] for name, _ in scores], top=1.0
    )
    evidence = list(explanation.modalities.evidence.items())
    named = [({"speech": "sound", "text": "words"}[name], value) for name, value in evidence]
    heading = f"evidence for {_short(explanation.label, 16)}, log-odds"
    at = _bars(figure, heading, named, (left, width, at - 0.3, height), look, [palette[explanation.label]] * len(named))
    at -= 0.3
    for name, check in explanation.checks.items():
        low, high = check.probability.interval
        count = f"{check.hidden:.2g} s silenced" if name == "seconds" else _count(check.hidden)
        lines = (
            f"check: the top {count}: {-check.probability.top:+.3f}".replace("-", "−"),
            f"at random: {-check.probability.random:+.3f} ({-high:+.3f} to {-low:+.3f})".replace("-", "−"),
        )
        figure.text(left - 0.065, at / height, lines[0], color=look.ink, fontsize=8.5, va="top")
        figure.text(left - 0.065, (at - 0.17) / height, lines[1], color=look.muted, fontsize=8.5, va="top")
        at -= 0.48


def _count(words: float) -> str:
    return "word taken out" if words == 1 else f"{words:.0f} words taken out"


def _bars(
    figure: "Figure",
    heading: str,
    rows: Sequence[tuple[str, float]],
    place: tuple[float, float, float, float],
    look: Look,
    fills: Sequence[str],
    top: float | None = None,
) -> float:
    """Horizontal bars under a heading; where the next may begin, inches from the bottom."""
    left, width, at, height = place
    tall = 0.26 * len(rows)
    figure.text(left - 0.065, at / height, heading, color=look.muted, fontsize=8.5, va="top")
    axes = figure.add_axes((left, (at - 0.24 - tall) / height, width, tall / height), facecolor=look.paper)
    values = [value for _, value in rows]
    axes.barh(range(len(rows)), values, color=fills, height=0.62)
    low, high = min(0.0, *values), top or max(0.05, *values)
    room = 0.28 * (high - low)
    axes.set(xlim=(low - (room if low < 0 else 0), high + room), ylim=(len(rows) - 0.5, -0.5), xticks=[])
    axes.axvline(0, color=look.rule, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [_short(name, 12) for name, _ in rows], color=look.ink, fontsize=9)
    axes.tick_params(length=0)
    for i, value in enumerate(values):
        told = f"{value:.3f}" if top else f"{value:+.2f}".replace("-", "−")
        gap = 0.02 * (high - low)
        axes.text(value + (gap if value >= 0 else -gap), i, told, color=look.ink, fontsize=8.5, va="center",
                  ha="left" if value >= 0 else "right")  # fmt: skip
    for side in axes.spines.values():
        side.set_visible(False)
    return at - 0.24 - tall


def _name(axes: "Axes", name: str, look: Look) -> None:
    axes.text(0, 1.02, name, transform=axes.transAxes, color=look.muted, fontsize=8.5, va="bottom")


def _audio(explanation: "Explanation") -> Any:
    assert explanation.clip.audio is not None
    return explanation.clip.audio


def _renderer(figure: Any) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    return FigureCanvasAgg(figure).get_renderer()


def _mixed(paper: str, colour: str, share: float) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    below, above = np.array(to_rgb(paper)), np.array(to_rgb(colour))
    red, green, blue = (below + (above - below) * share).tolist()
    return red, green, blue


def _readable(look: Look, fill: tuple[float, float, float]) -> str:
    """Ink or paper, whichever stands out more from a fill."""
    from matplotlib.colors import to_rgb

    def bright(colour: Sequence[float]) -> float:
        return float(np.dot(colour, (0.3, 0.59, 0.11)))

    return max((look.ink, look.paper), key=lambda one: abs(bright(to_rgb(one)) - bright(fill)))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
