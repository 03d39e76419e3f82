"""A long recording pooled piece by piece: what the head says of it is what it would say of the whole."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from emovoz.features import ClipFeatures, LongClipFeatures
from emovoz.inference import decided, pooled
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.settings import Model

CUTS = (0, 7, 8, 60, 100)
HEADS: list[dict[str, Any]] = [
    {"pooling": pooling, "fusion": fusion, "layer_norm": norm, "layer_mix": mix}
    for pooling in ("attention", "mean", "mean_std")
    for fusion, norm, mix in (
        ("time", True, "weighted"),
        ("pooled", True, "weighted"),
        ("pooled", False, "concatenate"),
    )
]


def head(model: dict[str, Any], *, text: bool) -> EmotionHead:
    torch.manual_seed(1)
    shapes = {"speech": (2, 8), **({"text": (3, 6)} if text else {})}
    made = EmotionHead(EmotionHeadConfig.of(Model(**model), shapes, ["anger", "joy", "sadness"]))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    return made


@pytest.mark.parametrize("words", [None, True, False], ids=["speech only", "with words", "words lacking"])
@pytest.mark.parametrize("model", HEADS, ids=lambda model: "-".join(map(str, model.values())))
def test_in_pieces_it_says_the_same(model: dict[str, Any], words: bool | None) -> None:
    judge = head(model, text=words is not None)
    generator = torch.Generator().manual_seed(2)
    # frames that drift, so that pieces differ from each other
    speech = torch.randn(2, 100, 8, generator=generator) + torch.linspace(-3, 3, 100)[:, None]
    text = {"text": torch.randn(3, 4, 6, generator=generator)} if words else {}

    def pieces() -> Iterator[ClipFeatures]:
        for start, end in itertools.pairwise(CUTS):
            yield ClipFeatures({"speech": speech[:, start:end], **(text if start == 0 else {})})

    (whole,) = pooled(judge, [ClipFeatures({"speech": speech, **text})])
    long, short = pooled(judge, [LongClipFeatures(pieces), ClipFeatures({"speech": speech[:, :9]})])
    assert set(long.by_modality) == set(whole.by_modality)
    for part, vector in whole.by_modality.items():
        torch.testing.assert_close(long.by_modality[part], vector, rtol=1e-4, atol=1e-5)
        assert part == "text" or float((short.by_modality[part] - vector).abs().max()) > 0.1
    assert decided(judge, [long])[0] == pytest.approx(decided(judge, [whole])[0], abs=1e-4)
