"""Pooling: what it computes agrees with numpy, and padding never counts."""

import math

import numpy as np
import pytest
import torch

from emovoz.model.pooling import POOLINGS, AttentionPooling
from emovoz.sequence import MaskedSequence

DIM = 6


def sequences(*lengths: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(length, DIM, generator=random) * 2 + 0.5 for length in lengths]


def pooled(name: str, sequence: torch.Tensor, query: np.ndarray) -> np.ndarray:
    """One sequence without padding, pooled by numpy in float64."""
    frames = sequence.numpy().astype(np.float64)
    if name == "mean":
        return frames.mean(0)
    if name == "mean_std":
        return np.concatenate([frames.mean(0), frames.std(0)])
    weights = np.exp(frames @ query)
    return (frames * weights[:, None]).sum(0) / weights.sum()


def make(name: str, seed: int = 0) -> tuple[torch.nn.Module, np.ndarray]:
    """A pooling, and the query it looks for (larger than the initial one, so that it weighs)."""
    torch.manual_seed(seed)
    pool: torch.nn.Module = POOLINGS[name](DIM)
    query = np.zeros(DIM)
    if isinstance(pool, AttentionPooling):
        torch.nn.init.normal_(pool.query, std=0.7)
        query = pool.query.detach().numpy().astype(np.float64)
    return pool, query


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_agrees_with_numpy_on_each_sequence_alone(name: str) -> None:
    pool, query = make(name)
    clips = sequences(7, 1, 20)
    result = pool(MaskedSequence.pad(clips)).detach().numpy()
    expected = np.stack([pooled(name, clip, query) for clip in clips])
    # a deviation of exactly nothing is raised to 1e-5, which the tolerance covers
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=2e-5)
    assert result.shape[1] == pool.out_dim


@pytest.mark.parametrize("name", POOLINGS)
def test_what_lies_under_the_mask_never_counts(name: str) -> None:
    pool, _ = make(name)
    batch = MaskedSequence.pad(sequences(3, 9, 5))
    expected = pool(batch)
    for filling in (1e6, -1e6):
        filled = torch.where(batch.mask[..., None], batch.features, torch.tensor(filling))
        torch.testing.assert_close(pool(MaskedSequence(filled, batch.mask)), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", POOLINGS)
def test_frames_are_found_wherever_the_mask_says_they_are(name: str) -> None:
    pool, query = make(name)
    (clip,) = sequences(10)
    mask = torch.tensor([[False, True, True, False, True, False, False, True, True, False]])
    result = pool(MaskedSequence(clip[None], mask)).detach().numpy()
    np.testing.assert_allclose(result[0], pooled(name, clip[mask[0]], query), rtol=1e-4, atol=1e-6)


def test_attention_prefers_the_frames_its_query_points_at() -> None:
    pool = AttentionPooling(2)
    with torch.no_grad():
        pool.query.copy_(torch.tensor([math.log(3.0), 0.0]))
    frames = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    result = pool(MaskedSequence(frames, torch.ones(1, 2, dtype=torch.bool)))
    torch.testing.assert_close(result, torch.tensor([[0.75, 0.25]]))


def test_attention_stands_scores_of_any_size() -> None:
    pool, _ = make("attention")
    (clip,) = sequences(5)
    result = pool(MaskedSequence(clip[None] * 1e4, torch.ones(1, 5, dtype=torch.bool)))
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_nothing_to_pool_gives_a_finite_vector_and_finite_gradients(name: str) -> None:
    pool, _ = make(name)
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
    pool, _ = make(name)
    features = torch.ones(1, 5, DIM, requires_grad=True)
    pool(MaskedSequence(features, torch.ones(1, 5, dtype=torch.bool))).sum().backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_padding_gets_no_gradient(name: str) -> None:
    pool, _ = make(name)
    batch = MaskedSequence.pad(sequences(3, 8))
    features = batch.features.clone().requires_grad_()
    pool(MaskedSequence(features, batch.mask)).square().sum().backward()
    assert features.grad is not None
    assert float(features.grad[0, 3:].abs().max()) == 0
    assert float(features.grad[0, :3].abs().max()) > 0
