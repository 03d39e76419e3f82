"""Fusion: which frames see each other, what stands for an absent modality, and which widths fit."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from emovoz.errors import InputError
from emovoz.model import EmotionHead
from heads import SHAPES, make_batch, make_head, row


def test_time_fusion_pools_the_frames_of_both_and_a_learned_one_for_what_is_absent() -> None:
    shapes = {"speech": (2, 3), "text": (1, 6)}
    head = make_head(shapes, layer_mix="concatenate", layer_norm=False, pooling="mean", fusion="time")
    batch = make_batch((5, 3), (8, 0), shapes=shapes)
    joint = head.parts(**batch)["joint"].vector.detach().numpy()
    speech = [np.concatenate([*row(batch, i)["speech"].numpy()[0]], axis=1) for i in (0, 1)]
    absent = head.state_dict()["fusion.absent.text"].numpy()
    both = np.concatenate([speech[0], row(batch, 0)["text"].numpy()[0, 0]])
    np.testing.assert_allclose(joint[0], both.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(joint[1], np.concatenate([speech[1], absent[None]]).mean(0), rtol=1e-5, atol=1e-6)


def projections(head: EmotionHead) -> set[str]:
    return {name.split(".")[1] for name, _ in head.named_parameters() if ".project." in name}


def test_time_fusion_projects_unequal_widths_to_the_larger_and_pooled_fusion_does_not() -> None:
    assert projections(make_head(fusion="time")) == {"text"}
    assert projections(make_head(fusion="time", layer_mix="concatenate")) == {"text"}
    assert projections(make_head(fusion="pooled")) == set()
    equal = {"speech": (3, 8), "text": (2, 8)}
    assert projections(make_head(equal, fusion="time")) == set()
    assert projections(make_head(fusion="pooled", width=5)) == {"speech", "text"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sequence": "transformer", "sequence_heads": 3}, "model.sequence_heads 3 does not divide 8"),
        ({"sequence": "multi_head_attention", "sequence_heads": 5}, "model.sequence_heads 5 does not divide 8"),
        ({"sequence": "reduced_multi_head_attention", "sequence_heads": 16}, "sequence_heads 16 does not divide 8"),
        ({"fusion": "cross_attention", "sequence_heads": 3}, "that model.fusion cross_attention sees"),
        ({"pooling": "multi_head_attention", "pooling_heads": 3}, "model.pooling_heads 3 does not divide 8"),
        (
            {"pooling": "double_multi_head_attention", "sequence": "reduced_multi_head_attention", "pooling_heads": 8},
            "model.pooling_heads 8 does not divide 4",
        ),
        ({"fusion": "pooled", "sequence": "transformer", "sequence_heads": 8}, "sequence_heads 8 does not divide 4"),
    ],
)
def test_heads_that_do_not_divide_the_width_are_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_head(**settings)


def test_heads_as_wide_as_the_whole_need_not_divide_it() -> None:
    make_head(sequence="multi_head_attention", sequence_head_width="whole", sequence_heads=3)


def test_a_clip_without_the_other_modality_keeps_its_frames_under_cross_attention() -> None:
    head = make_head(fusion="cross_attention", layer_mix="concatenate", layer_norm=False, pooling="mean")
    batch = make_batch((5, 3), (5, 0))
    speech = head.parts(**batch)["speech"].vector.detach().numpy()
    kept = [np.concatenate([*row(batch, i)["speech"].numpy()[0]], axis=1).mean(0) for i in (0, 1)]
    np.testing.assert_allclose(speech[1], kept[1], rtol=1e-4, atol=1e-5)
    assert np.abs(speech[0] - kept[0]).max() > 0.1


def test_cross_attention_adds_to_each_frame_what_it_finds_in_the_other_modality() -> None:
    head = make_head(fusion="cross_attention", layer_mix="concatenate", layer_norm=False, pooling="mean")
    batch = make_batch((5, 3))
    theirs = torch.nn.MultiheadAttention(24, 2, batch_first=True)
    ours = head.fusion.get_submodule("attentions.text")
    state = {name.removeprefix("heads."): value for name, value in ours.state_dict().items()}
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([state[f"{name}.weight"] for name in ("query", "key", "value")]))
        theirs.in_proj_bias.copy_(torch.cat([state[f"{name}.bias"] for name in ("query", "key", "value")]))
        theirs.out_proj.weight.copy_(state["out.weight"])
        theirs.out_proj.bias.copy_(state["out.bias"])
        speech, text = (head.branches[name](batch[name], batch[f"{name}_mask"]).features for name in SHAPES)
        expected = (text + theirs(text, speech, speech)[0]).mean(1)
        torch.testing.assert_close(head.parts(**batch)["text"].vector, expected, rtol=0, atol=1e-5)


def test_the_sequence_layer_sees_both_modalities_before_and_one_of_them_after_they_are_concatenated() -> None:
    settings = {"sequence": "self_attention", "layer_mix": "concatenate", "layer_norm": False, "pooling": "mean"}
    equal = {"speech": (1, 4), "text": (1, 4)}
    batch = make_batch((5, 3), shapes=equal)
    speech, text = batch["speech"][0, 0], batch["text"][0, 0]

    def attended(frames: Tensor) -> Tensor:
        return (frames @ frames.T / 2).softmax(1) @ frames

    for fusion, expected in (
        ("time", attended(torch.cat([speech, text]))),
        ("time_after", torch.cat([attended(speech), attended(text)])),
    ):
        found = make_head(equal, fusion=fusion, **settings).parts(**batch)["joint"].vector[0]
        torch.testing.assert_close(found, expected.mean(0), rtol=0, atol=1e-5)
