"""An answer as HTML for the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emovoz.corpus.audio import mono
from emovoz.corpus.envelope import Envelope
from emovoz.corpus.recording import opened
from emovoz.inference.prediction import Prediction
from emovoz.inference.segment import Segment
from emovoz.inference.timeline import Timeline
from emovoz.page import templates_of
from emovoz.pictures.palette import DARK, LIGHT, colours

COLUMNS = 500
"""Of the drawn waveform, at most."""
_BASES = {
    ("speech",): "Judged by the voice alone.",
    ("text",): "Judged by the words alone.",
    ("speech", "text"): "Judged by the voice and the words.",
}
_MEAN = " Of the whole, it is the mean of the utterances, the longer counting more."
TEMPLATES = templates_of("serve")


def waiting_html(labels: Sequence[str]) -> str:
    """What is there before the first answer."""
    return TEMPLATES.get_template("result.html.j2").render(error=None, label=None, tints=tints(labels))


def problem_html(sentence: str) -> str:
    """Why there is no answer."""
    return TEMPLATES.get_template("result.html.j2").render(error=sentence)


def result_html(answer: Prediction, name: str, outline: np.ndarray) -> str:
    """The answer: label, waveform with what was heard when, words, and probabilities.

    Args:
        answer: a prediction or a timeline, without an error.
        name: what the recording is called.
        outline: loudness of the recording, from 0 to 1 [column].
    """
    seconds = answer.seconds or 0.0
    segments = (
        answer.segments if isinstance(answer, Timeline) else (Segment(0.0, seconds, answer.label, answer.scores),)
    )
    parts = [_part(one, seconds) for one in segments if one.label is not None]
    ranked = sorted(answer.scores.items(), key=lambda one: -one[1])
    return TEMPLATES.get_template("result.html.j2").render(
        error=None,
        name=name,
        label=answer.label or "nobody speaks",
        chance=_percent(answer.scores[answer.label]) if answer.label else "",
        tints=tints(list(answer.scores)),
        wave=_path(outline),
        told="; ".join(f"{one['when']}: {one['label']}" for one in parts),
        parts=parts,
        seconds=seconds,
        length=clock(seconds),
        words=answer.transcription,
        bars=[{"label": label, "chance": _percent(p), "width": round(100 * p, 1)} for label, p in ranked],
        basis=_BASES.get(answer.modalities, "") + (_MEAN if len(parts) > 1 else ""),
    )


def tints(labels: Sequence[str]) -> dict[str, str]:
    """The colours of each label as properties of a style."""
    light, dark = colours(labels, LIGHT), colours(labels, DARK)
    return {label: f"--light:{light[label]};--dark:{dark[label]}" for label in labels}


def outline_of(path: Path) -> np.ndarray:
    """Loudness in each column of a drawn waveform, as a share of the greatest: at most [COLUMNS].

    Raises:
        ClipError: it cannot be read.
    """
    with opened(path) as recording:
        envelope = Envelope(recording.rate)
        for block in recording.blocks(0, recording.frames):
            envelope.add(mono(block))
    peaks = np.maximum(envelope.highs, -envelope.lows)
    columns = np.array([column.max() for column in np.array_split(peaks, min(COLUMNS, len(peaks)))])
    return columns / max(columns.max(), 1e-9)


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(75.6)
    '1:15'
    """
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def _part(segment: Segment, seconds: float) -> dict[str, Any]:
    scale = 1000 / (seconds or 1.0)
    return {
        "label": segment.label,
        "start": segment.start,
        "when": f"{clock(segment.start)}–{clock(segment.end)}",
        "x": round(segment.start * scale, 2),
        "width": round(segment.seconds * scale, 2),
        "chance": _percent(segment.scores[str(segment.label)]),
        "words": segment.transcription or "",
    }


def _path(outline: np.ndarray) -> str:
    """An outline symmetrical about the middle of a box of 1000 by 100."""
    step = 1000 / (len(outline) - 1)
    heights = np.maximum(46 * outline, 0.6)
    upper = [f"{i * step:.1f},{50 - height:.1f}" for i, height in enumerate(heights)]
    lower = [f"{i * step:.1f},{50 + height:.1f}" for i, height in enumerate(heights)]
    return f"M{' '.join(upper)} {' '.join(reversed(lower))}Z"


def _percent(probability: float) -> str:
    """A probability in words of a hundred, never more certain than it is.

    >>> _percent(0.834), _percent(0.9999), _percent(0.0001)
    ('83 %', '> 99 %', '< 1 %')
    """
    if 0 < probability < 0.01:
        return "< 1 %"
    return "> 99 %" if 0.99 < probability < 1 else f"{100 * probability:.0f} %"
