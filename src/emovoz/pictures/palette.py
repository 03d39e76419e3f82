"""The colours of pictures and pages: one for each emotion, on light or dark paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """The colours of a picture, each `#rrggbb`.

    Attributes:
        name: `light` or `dark`.
        paper: what is behind everything.
        ink: text and chief lines.
        muted: lesser text.
        rule: grids and frames.
        accent: the one thing to look at where no emotion is meant.
        known: by usual label of an emotion.
        spare: for other labels, in order.
    """

    name: str
    paper: str
    ink: str
    muted: str
    rule: str
    accent: str
    known: Mapping[str, str]
    spare: tuple[str, ...]


# Of the seven, any two stay apart to the eyes of people who lack red, green or blue cones: at least 6.8 of Oklab's
# hundredths, where the customary palette of Okabe and Ito with a grey for neutral gives 3.2.
LIGHT = Look(
    name="light",
    paper="#fdfdfb",
    ink="#1b1f23",
    muted="#59616a",
    rule="#d8dcdf",
    accent="#0b6a66",
    known={
        "anger": "#b92a14",
        "disgust": "#3a9a55",
        "fear": "#b32aa0",
        "joy": "#e5ad2e",
        "neutral": "#8d959c",
        "sadness": "#173796",
        "surprise": "#55bdea",
    },
    spare=("#7a4a21", "#0b6a66", "#e88a8f", "#8f9a1c", "#6f5bc0", "#333b42"),
)
DARK = Look(
    name="dark",
    paper="#14171a",
    ink="#eceef0",
    muted="#9ea7b0",
    rule="#343b42",
    accent="#5cc8bd",
    known={
        "anger": "#e4512c",
        "disgust": "#86dfae",
        "fear": "#c040ac",
        "joy": "#f0c03c",
        "neutral": "#848b92",
        "sadness": "#5070f2",
        "surprise": "#3fbdf0",
    },
    spare=("#b98558", "#5cc8bd", "#f2a6aa", "#b9c44a", "#a08ff0", "#d0d5da"),
)
LOOKS = {look.name: look for look in (LIGHT, DARK)}


def colours(labels: Sequence[str], look: Look = LIGHT) -> dict[str, str]:
    """The colour of each label, `#rrggbb`; a usual emotion has the same in every picture.

    Args:
        labels: of one model, in its order, by which labels that are not usual are given theirs in turn.
        look: light or dark.

    >>> colours(["joy", "boredom"])
    {'joy': '#e5ad2e', 'boredom': '#7a4a21'}
    """
    others = [label for label in labels if label not in look.known]
    turn = {label: look.spare[i % len(look.spare)] for i, label in enumerate(others)}
    return {label: look.known.get(label) or turn[label] for label in labels}
