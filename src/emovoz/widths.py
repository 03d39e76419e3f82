"""How wide the frames are in a head, and whether its heads divide that: known before anything is loaded."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emovoz.model.config import HeadConfig
    from emovoz.settings import Model

EQUAL_WIDTHS = ("time", "time_after", "cross_attention")
"""Fusions that need branches of one width."""
HEADED = ("multi_head_attention", "reduced_multi_head_attention", "transformer")
"""Sequence layers that have heads."""


def branch_widths(model: "Model | HeadConfig", widths: Mapping[str, int]) -> dict[str, int]:
    """Width that each branch is brought to, from those of its frames.

    >>> from emovoz.settings import Model
    >>> branch_widths(Model(fusion="time"), {"speech": 512, "text": 384})
    {'speech': 512, 'text': 512}
    """
    if model.width is not None:
        return dict.fromkeys(widths, model.width)
    return dict.fromkeys(widths, max(widths.values())) if model.fusion in EQUAL_WIDTHS else dict(widths)


def indivisible(model: "Model | HeadConfig", widths: Mapping[str, int]) -> Iterator[str]:
    """What heads do not divide, as a sentence each.

    Args:
        model: the settings.
        widths: of the branches, as `branch_widths` gives them.

    >>> from emovoz.settings import Model
    >>> next(indivisible(Model(sequence="transformer"), {"speech": 10}))
    'model.sequence_heads 4 does not divide 10, the width that model.sequence transformer sees; set ...'
    """
    for width in sorted(set(widths.values())):
        yield from _indivisible(model, width)


def _indivisible(model: "Model | HeadConfig", width: int) -> Iterator[str]:
    if splits_width(model) and width % model.sequence_heads:
        yield _sentence("sequence_heads", model.sequence_heads, width, f"model.sequence {model.sequence}")
        return
    if model.sequence == "reduced_multi_head_attention":
        width //= model.sequence_heads
    if model.fusion == "cross_attention" and width % model.sequence_heads:
        yield _sentence("sequence_heads", model.sequence_heads, width, "model.fusion cross_attention")
    if "multi_head" in model.pooling and width % model.pooling_heads:
        yield _sentence("pooling_heads", model.pooling_heads, width, f"model.pooling {model.pooling}")


def splits_width(model: "Model | HeadConfig") -> bool:
    """Whether the heads of the sequence layer are slices of the width."""
    whole = model.sequence == "multi_head_attention" and model.sequence_head_width == "whole"
    return model.sequence in HEADED and not whole


def _sentence(key: str, heads: int, width: int, who: str) -> str:
    dividing = ", ".join(str(n) for n in range(1, 33) if width % n == 0)
    return (
        f"model.{key} {heads} does not divide {width}, the width that {who} sees; "
        f"set model.{key} to one of {dividing}, or model.width so that it fits"
    )
