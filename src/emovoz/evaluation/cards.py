"""The most confident mistakes laid out for the report: what was heard, and what of it spoke for the wrong label."""

from collections.abc import Mapping, Sequence
from typing import Any

from emovoz.evaluation.sounds import Sound

WIDTH, HEIGHT = 640, 104
_MIDDLE, _LOUDEST, _ZERO, _MOST = 25, 24, 78, 24
TRIFLE = 0.1
"""Log-odds; where all scores are smaller, none has its full height."""
NAMES = {"speech": "sound", "text": "words"}


def cards_of(mistakes: Sequence[Mapping[str, Any]], sounds: Mapping[str, Sound]) -> list[dict[str, Any]]:
    """A card for each mistake of results.json; where there is a sound, with its player and its waveform."""
    return [_card(mistake, sounds.get(mistake["id"])) for mistake in mistakes]


def _card(mistake: Mapping[str, Any], sound: Sound | None) -> dict[str, Any]:
    evidence = mistake["evidence"]
    return {
        **mistake,
        "uri": sound and sound.uri,
        "wave": _wave(evidence["seconds"], sound),
        "words": _strengths(evidence["words"]),
        "evidence": [(NAMES[name], value) for name, value in evidence["modalities"]["evidence"].items()],
    }


def _wave(seconds: Sequence[Mapping[str, Any]], sound: Sound | None) -> dict[str, Any] | None:
    """Stretches as bars from a line of zero, and the waveform above them, in the coordinates of an SVG."""
    if not seconds:
        return None
    length = seconds[-1]["end"]
    best = max(seconds, key=lambda one: one["score"])
    bars = [
        {
            **one,
            "x": round(one["start"] / length * WIDTH + 1, 1),
            "across": round((one["end"] - one["start"]) / length * WIDTH - 2, 1),
            "top": round(_ZERO - max(0.0, one["strength"]) * _MOST, 1),
            "tall": round(abs(one["strength"]) * _MOST, 1),
        }
        for one in _strengths(seconds)
    ]
    frame = {"width": WIDTH, "height": HEIGHT, "zero": _ZERO, "deep": 2 * _MIDDLE}
    return {**frame, "bars": bars, "best": best, "length": length, "outline": _outline(sound)}


def _outline(sound: Sound | None) -> list[tuple[float, float]]:
    """The waveform's upper edge there, and its lower edge back."""
    if sound is None:
        return []
    step = WIDTH / (len(sound.envelope) - 1)
    above = [(round(i * step, 1), round(_MIDDLE - height * _LOUDEST, 1)) for i, height in enumerate(sound.envelope)]
    return [*above, *((x, round(2 * _MIDDLE - y, 1)) for x, y in reversed(above))]


def _strengths(scored: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same with `strength`, from -1 to 1: the score over the largest there is."""
    most = max([TRIFLE, *(abs(one["score"]) for one in scored)])
    return [{**one, "strength": round(one["score"] / most, 3)} for one in scored]
