"""Randomness by seed, epoch, clip and purpose: always the same, and otherwise independent."""

import numpy as np
import pytest
from scipy.stats import kstest

from emovoz.training import clip_random

CLIPS = [f"clip-{i}.wav" for i in range(3000)]


def draws(seed: int = 0, epoch: int = 0, purpose: str = "crop") -> np.ndarray:
    return np.array([clip_random(seed, epoch, clip, purpose).random() for clip in CLIPS])


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"epoch": 1}, {"epoch": 1, "seed": 1}, {"purpose": "mixup"}, {"purpose": "crop "}],
    ids=str,
)
def test_draws_for_another_seed_epoch_or_purpose_are_independent(other: dict[str, int | str]) -> None:
    ours, theirs = draws(), draws(**other)  # type: ignore[arg-type]
    # four standard errors of a correlation of independent values
    limit = 4 / np.sqrt(len(CLIPS))
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < limit
    assert abs(np.corrcoef(ours[1:], theirs[:-1])[0, 1]) < limit
    assert kstest((ours - theirs) % 1, "uniform").pvalue > 0.001


def test_draws_are_uniform_over_clips_and_over_epochs() -> None:
    assert kstest(draws(), "uniform").pvalue > 0.001
    over_epochs = [clip_random(0, epoch, "a.wav", "crop").random() for epoch in range(3000)]
    assert kstest(over_epochs, "uniform").pvalue > 0.001


def test_what_is_drawn_stays_the_same_for_good() -> None:
    assert clip_random(7, 2, "añ\udce9", "crop").random() == 0.15670598200983554
