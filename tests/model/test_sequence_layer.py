"""Sequence layers: what they compute agrees with torch's own and with numpy, and only real frames are attended to."""

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from emovoz.model import EmotionHeadConfig
from emovoz.model.sequence_layer import Heads, MultiHeadAttention, SequenceLayer, sequence_layer_of
from emovoz.sequence import MaskedSequence
from emovoz.settings import Model

DIM, HEADS = 12, 3
LAYERS: list[dict[str, Any]] = [
    *({"sequence": name} for name in get_args(Model.model_fields["sequence"].annotation)),
    {"sequence": "multi_head_attention", "sequence_head_width": "whole"},
    {"sequence": "transformer", "sequence_blocks": 3, "sequence_expansion": 0.5},
]
every_layer = pytest.mark.parametrize("settings", LAYERS, ids=lambda settings: "-".join(map(str, settings.values())))


def make(settings: dict[str, Any], heads: int = HEADS, dim: int = DIM) -> SequenceLayer:
    """A layer in eval mode, none of whose parameters is zero."""
    torch.manual_seed(0)
    layer = sequence_layer_of(EmotionHeadConfig(sequence_heads=heads, **settings), dim).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return layer


def batch(*lengths: int, dim: int = DIM) -> MaskedSequence:
    random = torch.Generator().manual_seed(1)
    return MaskedSequence.pad([torch.randn(length, dim, generator=random) for length in lengths])


def attention(queries: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Scaled dot-product attention of frames [time, width], one query at a time."""
    found = []
    for query in queries:
        weights = np.exp(np.array([query @ key for key in keys]) / math.sqrt(len(query)))
        found.append(sum(weight * value for weight, value in zip(weights / weights.sum(), values, strict=True)))
    return np.stack(found)


def by_heads(heads: Heads, frames: Tensor) -> list[np.ndarray]:
    """What each head [time, width] of a self-attention gives for frames without padding."""
    projected = [
        np.split(frames.numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy(), heads.count, axis=1)
        for layer in (heads.query, heads.key, heads.value)
    ]
    return [attention(*of_head) for of_head in zip(*projected, strict=True)]


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    with torch.no_grad():
        heads = ours.heads
        theirs.in_proj_weight.copy_(torch.cat([heads.query.weight, heads.key.weight, heads.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([heads.query.bias, heads.key.bias, heads.value.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())


def test_self_attention_is_that_of_numpy() -> None:
    frames = batch(5, 9)
    result = make({"sequence": "self_attention"})(frames)
    for row, clip in zip(MaskedSequence(result.features, frames.mask).unpad(), frames.unpad(), strict=True):
        np.testing.assert_allclose(row.numpy(), attention(*[clip.numpy()] * 3), rtol=1e-4, atol=1e-5)
    assert not list(make({"sequence": "self_attention"}).parameters())


@pytest.mark.parametrize("heads", [1, 3])
def test_multi_head_attention_that_splits_the_width_is_torchs(heads: int) -> None:
    ours = make({"sequence": "multi_head_attention"}, heads)
    theirs = nn.MultiheadAttention(DIM, heads, batch_first=True).eval()
    attending = ours.get_submodule("attention")
    assert isinstance(attending, MultiHeadAttention)
    copy_attention(attending, theirs)
    frames = batch(7, 2, 11)
    x = frames.features
    expected, _ = theirs(x, x, x, key_padding_mask=~frames.mask, need_weights=False)
    found = ours(frames).features
    torch.testing.assert_close(found[frames.mask], expected[frames.mask], rtol=0, atol=1e-6)


def test_heads_as_wide_as_the_whole_are_attentions_of_the_whole_width_that_a_projection_brings_back() -> None:
    layer = make({"sequence": "multi_head_attention", "sequence_head_width": "whole"})
    attending = layer.get_submodule("attention")
    assert isinstance(attending, MultiHeadAttention)
    (clip,) = batch(6).unpad()
    found = by_heads(attending.heads, clip)
    assert [head.shape for head in found] == [(6, DIM)] * HEADS
    out = attending.out
    expected = np.concatenate(found, axis=1) @ out.weight.detach().numpy().T + out.bias.detach().numpy()
    np.testing.assert_allclose(layer(batch(6)).features[0].detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_one_head_is_the_same_whether_it_splits_the_width_or_has_all_of_it() -> None:
    split, whole = (make({"sequence": "multi_head_attention", "sequence_head_width": w}, 1) for w in ("split", "whole"))
    whole.load_state_dict(split.state_dict())
    assert torch.equal(split(batch(4, 6)).features, whole(batch(4, 6)).features)


def test_reduced_attention_is_the_mean_of_its_heads_and_as_wide_as_one() -> None:
    layer = make({"sequence": "reduced_multi_head_attention"})
    heads = layer.get_submodule("heads")
    assert isinstance(heads, Heads)
    (clip,) = batch(8).unpad()
    result = layer(batch(8)).features[0].detach().numpy()
    np.testing.assert_allclose(result, np.mean(by_heads(heads, clip), axis=0), rtol=1e-4, atol=1e-5)
    assert result.shape == (8, layer.out_dim) == (8, DIM // HEADS)


def test_transformer_blocks_are_torchs_with_the_norm_first() -> None:
    ours = make({"sequence": "transformer", "sequence_blocks": 2, "sequence_expansion": 2.5})
    of_torch = nn.TransformerEncoderLayer(
        DIM, HEADS, dim_feedforward=30, activation="gelu", batch_first=True, norm_first=True
    )
    norm = nn.LayerNorm(DIM)
    theirs = nn.TransformerEncoder(of_torch, 2, norm=norm, enable_nested_tensor=False).eval()
    for block, layer in zip(ours.get_submodule("blocks").children(), theirs.layers, strict=True):
        assert isinstance(layer, nn.TransformerEncoderLayer)
        attending = block.get_submodule("attention")
        assert isinstance(attending, MultiHeadAttention)
        copy_attention(attending, layer.self_attn)
        layer.norm1.load_state_dict(block.get_submodule("attention_norm").state_dict())
        layer.norm2.load_state_dict(block.get_submodule("feed_forward_norm").state_dict())
        layer.linear1.load_state_dict(block.get_submodule("feed_forward.0").state_dict())
        layer.linear2.load_state_dict(block.get_submodule("feed_forward.3").state_dict())
    norm.load_state_dict(ours.get_submodule("norm").state_dict())
    frames = batch(7, 3, 11)
    expected = theirs(frames.features, src_key_padding_mask=~frames.mask)
    found = ours(frames).features
    torch.testing.assert_close(found[frames.mask], expected[frames.mask], rtol=0, atol=3e-6)


def test_the_transformer_drops_in_training_only_and_as_much_as_it_is_told() -> None:
    dropping = make({"sequence": "transformer", "sequence_dropout": 0.5})
    keeping = make({"sequence": "transformer", "sequence_dropout": 0.0})
    frames = batch(6)
    assert torch.equal(dropping(frames).features, keeping(frames).features)
    assert torch.equal(keeping.train()(frames).features, keeping.eval()(frames).features)
    assert not torch.equal(dropping.train()(frames).features, dropping.eval()(frames).features)


@every_layer
def test_a_clip_alone_comes_out_as_beside_others_whatever_lies_under_the_mask(settings: dict[str, Any]) -> None:
    layer, frames = make(settings), batch(3, 40, 12)
    filled = torch.where(frames.mask[..., None], frames.features, torch.tensor(1e3))
    result = layer(MaskedSequence(filled, frames.mask))
    assert result.features.shape[-1] == layer.out_dim
    assert torch.equal(result.mask, frames.mask)
    for together, clip in zip(result.unpad(), frames.unpad(), strict=True):
        alone = layer(MaskedSequence(clip[None], torch.ones(1, len(clip), dtype=torch.bool))).features[0]
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@every_layer
def test_a_row_without_a_real_frame_is_finite_and_so_are_the_gradients(settings: dict[str, Any]) -> None:
    layer, frames = make(settings), batch(5, 5)
    features, mask = frames.features.requires_grad_(), frames.mask.clone()
    mask[1] = False
    result = layer(MaskedSequence(features, mask)).features
    assert torch.isfinite(result).all()
    (result[0].sum() + 0 * result[1].sum()).backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert float(features.grad[1].abs().max()) == 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in layer.parameters())


@every_layer
def test_a_batch_without_a_single_frame_stays_one(settings: dict[str, Any]) -> None:
    layer = make(settings)
    result = layer(MaskedSequence(torch.zeros(2, 0, DIM), torch.ones(2, 0, dtype=torch.bool)))
    assert result.features.shape == (2, 0, layer.out_dim)


@every_layer
def test_frames_see_each_other_exactly_where_there_is_a_layer(settings: dict[str, Any]) -> None:
    layer, frames = make(settings), batch(6)
    other = frames.features.clone()
    other[0, 5] += 1.0
    first, changed = (layer(MaskedSequence(x, frames.mask)).features[0, 0] for x in (frames.features, other))
    assert torch.equal(first, changed) is (settings["sequence"] == "none")
