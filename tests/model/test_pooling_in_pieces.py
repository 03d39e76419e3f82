"""A long recording pooled piece by piece: what the head says of it is what it would say of the whole."""

import itertools
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import torch

from emovoz.features import ClipFeatures, LongClipFeatures
from emovoz.inference import decided, pooled
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.settings import Model

CUTS = (0, 7, 8, 60, 100)
POOLINGS = get_args(Model.model_fields["pooling"].annotation)
FUSIONS = get_args(Model.model_fields["fusion"].annotation)
EXACT: list[dict[str, Any]] = [
    {"pooling": pooling, "fusion": fusion, "layer_norm": norm, "layer_mix": mix}
    for pooling, (fusion, norm, mix) in itertools.product(
        POOLINGS, (("time", True, "weighted"), ("pooled", True, "weighted"), ("pooled", False, "concatenate"))
    )
] + [{"fusion": fusion} for fusion in FUSIONS if fusion != "cross_attention"]
BY_PIECES: list[dict[str, Any]] = [
    {"fusion": fusion, "sequence": sequence, "pooling": "mean_std"}
    for fusion, sequence in itertools.product(FUSIONS, ("none", "multi_head_attention", "transformer"))
    if (sequence != "none" or fusion == "cross_attention") and fusion != "time_after"
]


def head(model: dict[str, Any], *, text: bool) -> EmotionHead:
    torch.manual_seed(1)
    shapes = {"speech": (2, 8), **({"text": (3, 6)} if text else {})}
    made = EmotionHead(
        EmotionHeadConfig.of(Model(sequence_heads=2, pooling_heads=2, **model), shapes, ["anger", "joy", "sadness"])
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    return made


@pytest.mark.parametrize("words", [None, True, False], ids=["speech only", "with words", "words lacking"])
@pytest.mark.parametrize("model", EXACT, ids=lambda model: "-".join(map(str, model.values())))
def test_in_pieces_it_says_the_same(model: dict[str, Any], words: bool | None) -> None:
    if words is None and model["fusion"] in ("pooled_attention", "gated"):
        pytest.skip("it needs words")
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


@pytest.mark.parametrize("words", [True, False], ids=["with words", "words lacking"])
@pytest.mark.parametrize("model", BY_PIECES, ids=lambda model: "-".join(map(str, model.values())))
def test_where_frames_are_related_each_piece_is_heard_beside_all_the_words(model: dict[str, Any], words: bool) -> None:
    judge = head(model, text=True).eval()
    generator = torch.Generator().manual_seed(2)
    speech = torch.randn(2, 100, 8, generator=generator) + torch.linspace(-3, 3, 100)[:, None]
    text = {"text": torch.randn(3, 4, 6, generator=generator)} if words else {}
    heard = [ClipFeatures({"speech": speech[:, start:end], **text}) for start, end in itertools.pairwise(CUTS)]

    def pieces() -> Iterator[ClipFeatures]:
        yield heard[0]
        yield from (ClipFeatures({"speech": piece.by_modality["speech"]}) for piece in heard[1:])

    (long,) = pooled(judge, [LongClipFeatures(pieces)])
    alone = [clip.by_modality for clip in pooled(judge, heard)]
    assert set(long.by_modality) == set(alone[0])
    # each piece counts by its frames: those of speech, and where all are pooled at once also the words or what
    # stands for them; the words by themselves count the same in every piece
    frames = torch.tensor([float(end - start) for start, end in itertools.pairwise(CUTS)])
    sizes = {"joint": frames + (4 if words else 1), "speech": frames, "text": torch.ones(len(heard))}
    for part, vector in long.by_modality.items():
        expected = of_the_whole(torch.stack([one[part] for one in alone]), sizes[part])
        torch.testing.assert_close(vector, expected, rtol=1e-3, atol=1e-4)


def of_the_whole(pooled_pieces: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Mean and deviation of the whole from those [piece, 2 x dim] of pieces of these sizes."""
    means, deviations = pooled_pieces.double().chunk(2, dim=1)
    shares = (sizes / sizes.sum()).double()
    mean = shares @ means
    return torch.cat([mean, (shares @ (deviations**2 + means**2) - mean**2).sqrt()]).float()


def test_where_modalities_do_not_see_each_other_the_words_of_a_long_recording_count_once() -> None:
    judge = head({"fusion": "time_after", "sequence": "multi_head_attention", "pooling": "mean"}, text=True).eval()
    generator = torch.Generator().manual_seed(2)
    speech, text = torch.randn(2, 100, 8, generator=generator), torch.randn(3, 4, 6, generator=generator)

    def mean_of(branch: str, features: torch.Tensor) -> torch.Tensor:
        """Of the frames of one branch after its sequence layer."""
        every = torch.ones(1, features.shape[1], dtype=torch.bool)
        with torch.no_grad():
            related = judge.fusion.get_submodule("layers")[branch](judge.branches[branch](features[None], every))
        return related.features[0].mean(0)

    def pieces() -> Iterator[ClipFeatures]:
        yield ClipFeatures({"speech": speech[:, :50], "text": text})
        yield ClipFeatures({"speech": speech[:, 50:]})

    (long,) = pooled(judge, [LongClipFeatures(pieces)])
    halves = mean_of("speech", speech[:, :50]) + mean_of("speech", speech[:, 50:])
    expected = (halves * 50 + mean_of("text", text) * 4) / 104
    torch.testing.assert_close(long.by_modality["joint"], expected, rtol=1e-4, atol=1e-5)
