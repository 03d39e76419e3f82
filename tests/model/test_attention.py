"""The weights that an attention pooling gives to frames."""

import pytest
import torch

from emovoz.model.attention import attention_weights
from heads import make_batch, make_head


def test_the_weighted_mean_of_the_frames_is_what_is_pooled() -> None:
    head = make_head({"speech": (3, 8)}, pooling="attention")
    batch = make_batch((7, 0), shapes={"speech": (3, 8)})
    with torch.no_grad():
        frames = head.sequences(**batch)["speech"].features[0]
        pooled = head.parts(**batch)["joint"].vector[0]
    weights = attention_weights(head, batch)["speech"]
    assert weights.shape == (7,)
    assert weights.sum() == pytest.approx(1)
    assert torch.allclose(weights @ frames, pooled, atol=1e-6)


@pytest.mark.parametrize("pooling", ["attention", "multi_head_attention", "attentive_statistics"])
@pytest.mark.parametrize("fusion", ["time", "time_after"])
def test_along_time_the_weights_of_both_modalities_sum_to_one(pooling: str, fusion: str) -> None:
    shapes = {"speech": (3, 8), "text": (2, 8)}
    head = make_head(shapes, pooling=pooling, fusion=fusion)
    found = attention_weights(head, make_batch((7, 4), shapes=shapes))
    assert {name: len(of) for name, of in found.items()} == {"speech": 7, "text": 4}
    assert sum(float(of.sum()) for of in found.values()) == pytest.approx(1)


def test_what_a_modality_that_a_clip_lacks_would_have_goes_to_what_stands_for_it() -> None:
    shapes = {"speech": (3, 8), "text": (2, 8)}
    batch = make_batch((7, 0), shapes=shapes) | {"text": torch.zeros(1, 2, 0, 8), "text_mask": torch.ones(1, 0) > 0}
    found = attention_weights(make_head(shapes, pooling="attention", fusion="time"), batch)
    assert [*found] == ["speech"]
    assert 0.5 < float(found["speech"].sum()) < 1


def test_pooled_by_themselves_the_weights_of_each_sum_to_one() -> None:
    found = attention_weights(make_head(pooling="attention", fusion="pooled"), make_batch((7, 4)))
    assert [float(of.sum()) for of in found.values()] == pytest.approx([1, 1])


@pytest.mark.parametrize("pooling", ["mean", "mean_std", "max", "mean_quantiles"])
def test_a_pooling_that_learns_no_weights_has_none(pooling: str) -> None:
    assert attention_weights(make_head(pooling=pooling, fusion="pooled"), make_batch((7, 4))) == {}


def test_a_front_end_has_a_weight_for_each_frame_it_leaves() -> None:
    shapes = {"speech": (1, 16)}
    settings = {"front_end": "vgg", "vgg_channels": [2, 2], "layer_mix": "concatenate", "pooling": "attention"}
    found = attention_weights(make_head(shapes, **settings), make_batch((9, 0), shapes=shapes))
    assert found["speech"].shape == (3,)
