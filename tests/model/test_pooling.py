"""Pooling: what it computes agrees with numpy, and padding never counts."""

import math
from typing import get_args

import numpy as np
import pytest
import torch

from emovoz.model import EmotionHeadConfig
from emovoz.model.pooling import AttentionPooling, MaxPooling, MeanQuantilesPooling, Pooling, pooling_of
from emovoz.sequence import MaskedSequence
from emovoz.settings import Model

DIM, HEADS = 6, 2
POOLINGS = get_args(Model.model_fields["pooling"].annotation)
WIDTHS = {"mean_std": 12, "mean_quantiles": 24, "attentive_statistics": 12, "double_multi_head_attention": 3}


def sequences(*lengths: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(length, DIM, generator=random) * 2 + 0.5 for length in lengths]


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum()


def weighted(frames: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean of frames [time, width], weights by the softmax of scores [time]."""
    return np.sum([weight * frame for weight, frame in zip(softmax(scores), frames, strict=True)], axis=0)


def pooled(name: str, sequence: torch.Tensor, pool: torch.nn.Module) -> np.ndarray:
    """One sequence without padding, pooled by numpy in float64."""
    frames = sequence.numpy().astype(np.float64)
    given = {key: value.detach().numpy().astype(np.float64) for key, value in pool.named_parameters()}
    if name == "mean":
        return frames.mean(0)
    if name == "mean_std":
        return np.concatenate([frames.mean(0), frames.std(0)])
    if name == "mean_quantiles":
        return np.concatenate([frames.mean(0), *np.percentile(frames, [10, 50, 90], axis=0)])
    if name == "max":
        return frames.max(0)
    if name == "attention":
        return weighted(frames, frames @ given["query"])
    if name == "attentive_statistics":
        hidden = [np.tanh(given["hidden.weight"] @ frame + given["hidden.bias"]) for frame in frames]
        scores = np.array([given["query"] @ one for one in hidden])
        mean = weighted(frames, scores)
        return np.concatenate([mean, np.sqrt(np.maximum(weighted(frames**2, scores) - mean**2, 0))])
    slices, queries = np.split(frames, HEADS, axis=1), np.split(given["query"], HEADS)
    heads = [weighted(part, part @ query / math.sqrt(3)) for part, query in zip(slices, queries, strict=True)]
    if name == "multi_head_attention":
        return np.concatenate(heads)
    return weighted(np.stack(heads), np.stack(heads) @ given["head_query"])


def make(name: str, dim: int = DIM) -> Pooling:
    """A pooling whose parameters are larger than the initial ones, so that they weigh."""
    torch.manual_seed(0)
    pool = pooling_of(EmotionHeadConfig(pooling=name, pooling_heads=HEADS), dim)
    for parameter in pool.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return pool


def in_pieces(pool: Pooling, pieces: list[MaskedSequence]) -> torch.Tensor:
    """One recording [out_dim], heard piece by piece."""
    kept = None
    for piece in pieces:
        kept = pool.heard(kept, piece)
    return pool.of_heard(kept)[0]


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_agrees_with_numpy_on_each_sequence_alone(name: str) -> None:
    pool = make(name)
    clips = sequences(7, 1, 20)
    result = pool(MaskedSequence.pad(clips)).detach().numpy()
    expected = np.stack([pooled(name, clip, pool) for clip in clips])
    # a deviation of exactly nothing is raised to 1e-5, which the tolerance covers
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=2e-5)
    assert result.shape[1] == pool.out_dim == WIDTHS.get(name, DIM)


@pytest.mark.parametrize("name", POOLINGS)
def test_what_lies_under_the_mask_never_counts(name: str) -> None:
    pool = make(name)
    batch = MaskedSequence.pad(sequences(3, 9, 5))
    expected = pool(batch)
    for filling in (1e6, -1e6):
        filled = torch.where(batch.mask[..., None], batch.features, torch.tensor(filling))
        torch.testing.assert_close(pool(MaskedSequence(filled, batch.mask)), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", POOLINGS)
def test_frames_are_found_wherever_the_mask_says_they_are(name: str) -> None:
    pool = make(name)
    (clip,) = sequences(10)
    mask = torch.tensor([[False, True, True, False, True, False, False, True, True, False]])
    result = pool(MaskedSequence(clip[None], mask)).detach().numpy()
    np.testing.assert_allclose(result[0], pooled(name, clip[mask[0]], pool), rtol=1e-4, atol=1e-6)


def test_attention_prefers_the_frames_its_query_points_at() -> None:
    pool = AttentionPooling(2)
    with torch.no_grad():
        pool.query.copy_(torch.tensor([math.log(3.0), 0.0]))
    frames = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    result = pool(MaskedSequence(frames, torch.ones(1, 2, dtype=torch.bool)))
    torch.testing.assert_close(result, torch.tensor([[0.75, 0.25]]))


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_stands_values_of_any_size(name: str) -> None:
    pool = make(name)
    (clip,) = sequences(5)
    result = pool(MaskedSequence(clip[None] * 1e4, torch.ones(1, 5, dtype=torch.bool)))
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_nothing_to_pool_gives_a_finite_vector_and_finite_gradients(name: str) -> None:
    pool = make(name)
    (clip,) = sequences(4)
    features = torch.stack([clip, clip]).requires_grad_()
    mask = torch.tensor([[True] * 4, [False] * 4])
    result = pool(MaskedSequence(features, mask))
    result.sum().backward()
    assert torch.isfinite(result).all()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in pool.parameters())


@pytest.mark.parametrize("name", POOLINGS)
def test_frames_that_never_move_give_a_finite_gradient(name: str) -> None:
    pool = make(name)
    features = torch.ones(1, 5, DIM, requires_grad=True)
    pool(MaskedSequence(features, torch.ones(1, 5, dtype=torch.bool))).sum().backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_padding_gets_no_gradient(name: str) -> None:
    pool = make(name)
    batch = MaskedSequence.pad(sequences(3, 8))
    features = batch.features.clone().requires_grad_()
    pool(MaskedSequence(features, batch.mask)).square().sum().backward()
    assert features.grad is not None
    assert float(features.grad[0, 3:].abs().max()) == 0
    assert float(features.grad[0, :3].abs().max()) > 0


@pytest.mark.parametrize("name", POOLINGS)
def test_a_batch_without_a_single_frame_gives_finite_vectors(name: str) -> None:
    pool = make(name)
    result = pool(MaskedSequence(torch.zeros(2, 0, DIM), torch.ones(2, 0, dtype=torch.bool)))
    assert result.shape == (2, pool.out_dim)
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_pieces_give_what_the_whole_gives_and_a_piece_without_frames_adds_nothing(name: str) -> None:
    pool = make(name)
    (clip,) = sequences(20)
    clip = clip - 9  # below zero, which is what a piece without frames must not be mistaken for
    cut = MaskedSequence.pad([clip[:3], clip[3:4], clip[4:], clip[:2]])
    mask = cut.mask.clone()
    mask[3] = False
    cut = MaskedSequence(cut.features, mask)
    merged = in_pieces(pool, [MaskedSequence(cut.features[i, None], mask[i, None]) for i in range(4)])
    torch.testing.assert_close(
        merged.detach().numpy(), pooled(name, clip, pool).astype("float32"), rtol=1e-4, atol=1e-4
    )


def test_quantiles_of_a_long_recording_are_those_of_regular_frames_wherever_it_is_cut() -> None:
    pool = MeanQuantilesPooling(2)
    # a fast oscillation on a slow rise: neither a stretch of it nor every frame of one phase is like the whole
    time = torch.arange(10_001.0)
    frames = torch.stack([torch.sin(time / 3) + time / 5000, torch.randn(10_001) * 3], dim=1)
    whole = torch.ones(1, 10_001, dtype=torch.bool)
    expected = np.concatenate([frames.numpy().mean(0), *np.percentile(frames.numpy()[::4], [10, 50, 90], axis=0)])
    vectors = []
    for cuts in ((10_001,), (2500, 5000, 2501), (4096, 1, 0, 3, 5901)):
        pieces = [MaskedSequence(part[None], whole[:, : len(part)]) for part in frames.split(list(cuts))]
        vectors.append(in_pieces(pool, pieces))
        np.testing.assert_allclose(vectors[-1], expected, rtol=1e-5, atol=1e-6)
        assert torch.equal(vectors[-1][2:], vectors[0][2:])
    exact = pool(MaskedSequence(frames[None], whole))[0].numpy()
    np.testing.assert_allclose(exact[2:], np.percentile(frames.numpy(), [10, 50, 90], axis=0).ravel(), rtol=1e-5)
    np.testing.assert_allclose(vectors[0], exact, atol=0.2)


def test_a_single_head_sees_the_whole_width_and_differs_from_attention_by_the_scale_alone() -> None:
    one = pooling_of(EmotionHeadConfig(pooling="multi_head_attention", pooling_heads=1), DIM)
    plain = pooling_of(EmotionHeadConfig(pooling="attention"), DIM)
    assert isinstance(plain, AttentionPooling)
    with torch.no_grad():
        one.get_parameter("query").copy_(torch.arange(DIM) / 2)
        plain.query.copy_(torch.arange(DIM) / 2 / math.sqrt(DIM))
    batch = MaskedSequence.pad(sequences(4, 9))
    torch.testing.assert_close(one(batch), plain(batch))


def test_the_largest_value_is_a_real_one_even_where_all_are_below_zero() -> None:
    batch = MaskedSequence.pad([torch.tensor([[-3.0], [-2.0]]), torch.tensor([[-5.0]])])
    assert MaxPooling(1)(batch).tolist() == [[-2.0], [-5.0]]
