"""What notebooks show of a recogniser and of its predictions: HTML without scripts, on light or dark paper."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from emovoz.pictures.palette import DARK, colours

if TYPE_CHECKING:
    from emovoz.inference.prediction import Prediction
    from emovoz.inference.recognizer import Recognizer

# the notebook's own ink is inherited, so that it can be read on any paper
_BOX = (
    "font:14px/1.5 system-ui,sans-serif;color:inherit;max-width:34em;padding:.7em 1em;"
    "border:1px solid rgba(128,128,128,.35);border-radius:8px"
)
_GRID = "display:grid;grid-template-columns:max-content minmax(6em,1fr) 3em;gap:.15em .7em;margin:.5em 0"
_TRACK = "background:rgba(128,128,128,.18);border-radius:3px;height:.8em;align-self:center"


def prediction_html(prediction: "Prediction") -> str:
    """The label, the probability of each as a bar, the words, and what it rests on; or why there is none."""
    name = f"<div>{_lesser(prediction.id)}</div>"
    if prediction.error is not None:
        return _box(f"{name}<div><b>not judged:</b> {escape(prediction.error)}</div>")
    words = f"<div>«{escape(prediction.transcription)}»</div>" if prediction.transcription else ""
    title = f'<div style="font-size:1.4em;font-weight:600">{escape(prediction.label or "no label")}</div>'
    return _box(f"{name}{title}{words}{_bars(prediction.scores)}<div>{_lesser(_basis(prediction))}</div>")


def recognizer_html(recognizer: "Recognizer") -> str:
    """What it tells apart, by which encoders, and what it has learned from."""
    clips = (recognizer.data or {}).get("clips")
    facts = {
        "labels": ", ".join(recognizer.labels),
        "encoders": ", ".join(f"{branch.model} ({name})" for name, branch in recognizer.encoders.branches.items()),
        "recipe": recognizer.recipe.name,
        "learned from": f"{clips} clips" if clips else "",
        "probabilities": "as the head gives them" if recognizer.temperature is None else "calibrated",
    }
    rows = "".join(f"<div>{_lesser(name)}</div><div>{escape(fact)}</div>" for name, fact in facts.items() if fact)
    title = f'<div style="font-size:1.2em;font-weight:600">Recognizer {escape(recognizer.name)}</div>'
    grid = "display:grid;grid-template-columns:max-content 1fr;gap:0 1em;margin-top:.3em"
    return _box(f'{title}<div style="{grid}">{rows}</div>')


def _basis(prediction: "Prediction") -> str:
    length = "" if prediction.seconds is None else f"{prediction.seconds:.1f} s"
    return " · ".join(note for note in (length, " + ".join(prediction.modalities), prediction.model) if note)


def _bars(scores: Mapping[str, float]) -> str:
    # those for dark paper are seen on light paper too
    colour = colours(list(scores), DARK)
    rows = (
        f"<div>{escape(label)}</div>"
        f'<div style="{_TRACK}"><div style="width:{100 * score:.1f}%;background:{colour[label]};height:100%;'
        f'border-radius:3px"></div></div><div style="text-align:right">{score:.2f}</div>'
        for label, score in sorted(scores.items(), key=lambda item: -item[1])
    )
    return f'<div style="{_GRID}">{"".join(rows)}</div>'


def _lesser(text: str) -> str:
    return f'<span style="opacity:.7;font-size:.9em">{escape(text)}</span>'


def _box(content: str) -> str:
    return f'<div style="{_BOX}">{content}</div>'
