"""An explanation as lines for people."""

from collections.abc import Iterator

from emovoz.explanation.check import Check
from emovoz.explanation.explanation import Explanation

SHOWN = 3
"""Of the seconds and of the words that speak most for the label."""


def told(explanation: Explanation) -> str:
    """The decision, what speaks for the label, and what the check found."""
    return "\n".join(_lines(explanation))


def _lines(explanation: Explanation) -> Iterator[str]:
    prediction, modalities, label = explanation.prediction, explanation.modalities, explanation.label
    ranked = sorted(prediction.scores.items(), key=lambda pair: -pair[1])[:SHOWN]
    chances = ", ".join(f"{name} {chance:.3f}" for name, chance in ranked)
    yield f"{explanation.id}: {prediction.label} ({chances})"
    names = {"speech": "sound", "text": "words"}
    counted = ", ".join(f"{names[name]} {value:+.2f}" for name, value in modalities.evidence.items())
    yield f"evidence for {label}, log-odds: {counted}"
    if len(modalities.alone) > 1:
        alone = ", ".join(f"{names[name]} alone {value:.3f}" for name, value in modalities.alone.items())
        yield f"probability of {label}: {modalities.together:.3f}; {alone}; neither {modalities.neither:.3f}"
    seconds = sorted(explanation.seconds, key=lambda one: -one.score)[:SHOWN]
    if seconds:
        yield "seconds: " + ", ".join(f"{one.start:.2f}-{one.end:.2f} {one.score:+.2f}" for one in seconds)
    words = sorted(explanation.words, key=lambda one: -one.score)[:SHOWN]
    if words:
        yield "words: " + ", ".join(f"{one.text} {one.score:+.2f}" for one in words)
    for name, check in explanation.checks.items():
        yield _checked(name, check, label)


def _checked(name: str, check: Check, label: str) -> str:
    falls = check.probability
    what = f"{check.hidden:.2g} s silenced" if name == "seconds" else f"{check.hidden:.0f} taken out"
    low, high = falls.interval
    return (
        f"check of {name}, top {what}: probability of {label} {-falls.top:+.3f}; "
        f"as much at random: {-falls.random:+.3f} ({-high:+.3f} to {-low:+.3f}, {check.draws} draws)"
    )
