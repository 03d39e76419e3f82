"""An explanation as HTML for the page."""

from base64 import b64encode

from emovoz.explanation import Check, Explanation, WordScore
from emovoz.serve.page_result import TEMPLATES, tints

STRONGEST = 45
"""Percent of a label's colour behind the word that speaks most for it; ink on more is hard to read."""


def reasons_html(explanation: Explanation) -> str:
    """Which words spoke for the label, the picture with the seconds, and whether that is true."""
    label = explanation.label
    strongest = max((abs(word.score) for word in explanation.words), default=0.0) or 1.0
    return TEMPLATES.get_template("reasons.html.j2").render(
        error=None,
        label=label,
        tint=tints([*explanation.prediction.scores])[label],
        words=[_word(word, strongest) for word in explanation.words],
        alt=f"The seconds that spoke for {label}, over the sound",
        light=b64encode(explanation.png()).decode(),
        dark=b64encode(explanation.png(dark=True)).decode(),
        checks=[_told(name, check, label) for name, check in explanation.checks.items()],
    )


def no_reasons_html(sentence: str) -> str:
    """Why there is no explanation."""
    return TEMPLATES.get_template("reasons.html.j2").render(error=sentence)


def _word(word: WordScore, strongest: float) -> dict[str, object]:
    return {
        "text": word.text,
        "weight": round(STRONGEST * max(word.score, 0.0) / strongest),
        "against": word.score < 0,
        "told": f"{word.score:+.2f} log-odds",
    }


def _told(name: str, check: Check, label: str) -> str:
    hidden = (
        f"{check.hidden:.1f} s" if name == "seconds" else f"{check.hidden:.0f} word{'s' if check.hidden > 1 else ''}"
    )
    top, others = 100 * check.probability.top, 100 * check.probability.random
    return (
        f"Checked: without the {hidden} that speak most for it, {label} loses {top:.0f} points of probability; "
        f"without as much at random, {others:.0f}."
    )
