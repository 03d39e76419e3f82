"""An answer as HTML for the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from emovoz.corpus.audio import mono
from emovoz.corpus.recording import opened
from emovoz.inference.prediction import Prediction
from emovoz.pictures.palette import DARK, LIGHT, colours

BINS = 500
"""Columns of the drawn waveform."""
_BASES = {
    ("speech",): "Judged by the voice alone.",
    ("text",): "Judged by the words alone.",
    ("speech", "text"): "Judged by the voice and the words.",
}
_TEMPLATES = Environment(
    loader=PackageLoader("emovoz", "serve"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def waiting_html(labels: Sequence[str]) -> str:
    """What is there before the first answer."""
    return _TEMPLATES.get_template("result.html.j2").render(error=None, label=None, tints=tints(labels))


def problem_html(sentence: str) -> str:
    """Why there is no answer."""
    return _TEMPLATES.get_template("result.html.j2").render(error=sentence)


def result_html(prediction: Prediction, name: str, loudness: np.ndarray | None = None) -> str:
    """The answer: label, waveform with what was heard when, words, and probabilities.

    Args:
        prediction: without an error.
        name: what the recording is called.
        loudness: of the recording, from 0 to 1 [column]; None draws no waveform.
    """
    seconds = prediction.seconds or 0.0
    whole = [{"start": 0.0, "end": seconds, "label": prediction.label, "scores": prediction.scores}]
    parts = [_part(one, seconds) for one in whole]
    ranked = sorted(prediction.scores.items(), key=lambda one: -one[1])
    return _TEMPLATES.get_template("result.html.j2").render(
        error=None,
        name=name,
        label=prediction.label,
        chance=_percent(prediction.scores[str(prediction.label)]),
        tints=tints(list(prediction.scores)),
        wave=None if loudness is None else _path(loudness),
        told="; ".join(f"{one['when']}: {one['label']}" for one in parts),
        parts=parts,
        seconds=seconds,
        length=clock(seconds),
        words=prediction.transcription,
        bars=[{"label": label, "chance": _percent(p), "width": round(100 * p, 1)} for label, p in ranked],
        basis=_BASES[prediction.modalities],
    )


def tints(labels: Sequence[str]) -> dict[str, str]:
    """The colours of each label as properties of a style."""
    light, dark = colours(labels, LIGHT), colours(labels, DARK)
    return {label: f"--light:{light[label]};--dark:{dark[label]}" for label in labels}


def loudness_of(path: Path) -> np.ndarray:
    """The largest sample in each of the columns of a drawn waveform, as a share of the largest of all: [BINS].

    Raises:
        ClipError: it cannot be read.
    """
    peaks = np.zeros(BINS)
    at = 0
    with opened(path) as recording:
        for block in recording.blocks(0, recording.frames):
            samples = np.abs(mono(block))
            columns = np.minimum((at + np.arange(len(samples))) * BINS // recording.frames, BINS - 1)
            first = np.flatnonzero(np.diff(columns, prepend=-1))
            peaks[columns[first]] = np.maximum(peaks[columns[first]], np.maximum.reduceat(samples, first))
            at += len(samples)
    return peaks / max(peaks.max(), 1e-9)


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(75.6)
    '1:15'
    """
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def _part(segment: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    scale = 1000 / (seconds or 1.0)
    return {
        "label": segment["label"],
        "start": segment["start"],
        "when": f"{clock(segment['start'])}–{clock(segment['end'])}",
        "x": round(segment["start"] * scale, 2),
        "width": round((segment["end"] - segment["start"]) * scale, 2),
        "chance": _percent(segment["scores"][segment["label"]]),
        "words": segment.get("transcription") or "",
    }


def _path(loudness: np.ndarray) -> str:
    """An outline symmetrical about the middle of a box of 1000 by 100."""
    step = 1000 / (len(loudness) - 1)
    heights = np.maximum(46 * loudness, 0.6)
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
