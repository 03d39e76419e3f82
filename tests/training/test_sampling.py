"""Sampling: how often a label is shown, in which order, and what a head makes of it."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from emovoz.features import ClipFeatures
from emovoz.inference import probabilities
from emovoz.settings import Augmentation, Training
from emovoz.training import fit
from emovoz.training.examples import Examples
from emovoz.training.sampling import Balanced
from emovoz.training.variation import Varied
from fits import head

TARGETS = [0] * 40 + [1] * 11 + [3] * 2


def items(number: int, seed: int = 0) -> list[int]:
    sampler = Balanced(TARGETS, seed)
    sampler.set_epoch(number)
    return list(sampler)


def epoch(number: int, seed: int = 0) -> list[int]:
    """Which clips are shown, in their order."""
    return [item % len(TARGETS) for item in items(number, seed)]


def test_balanced_epochs_are_as_long_as_the_corpus_and_show_every_label_equally_often() -> None:
    for number in range(5):
        shown = epoch(number)
        assert len(shown) == len(TARGETS) == len(Balanced(TARGETS, 0))
        labels = Counter(TARGETS[i] for i in shown)
        assert sorted(labels) == [0, 1, 3]
        assert max(labels.values()) - min(labels.values()) == 1
        for label in labels:
            clips = Counter({i: shown.count(i) for i, target in enumerate(TARGETS) if target == label})
            # all clips of a label before one comes again
            assert max(clips.values()) - min(clips.values()) <= 1


def test_over_the_epochs_every_clip_of_a_label_is_shown_as_often_and_the_odd_one_is_no_label_s_own() -> None:
    shown = [i for number in range(300) for i in epoch(number)]
    counts = np.bincount(shown)
    labels = np.bincount([TARGETS[i] for i in shown])
    assert labels[[0, 1, 3]] == pytest.approx(300 * 53 / 3, rel=0.01)
    assert counts[:40] == pytest.approx(300 * 53 / 3 / 40, rel=0.2)
    assert counts[51:] == pytest.approx(300 * 53 / 3 / 2, rel=0.02)


def test_seed_and_epoch_alone_decide_the_order() -> None:
    assert epoch(3) == epoch(3)
    assert len({tuple(epoch(number, seed)) for number in (0, 1) for seed in (0, 1)}) == 4
    # labels are mixed: no long run of one
    assert sum(TARGETS[a] != TARGETS[b] for a, b in zip(epoch(0), epoch(0)[1:], strict=False)) > 25


def test_a_clip_that_comes_again_in_an_epoch_is_cropped_anew() -> None:
    shown = items(0)
    assert len(set(shown)) == len(shown)
    clips = [ClipFeatures({"speech": torch.arange(500.0).reshape(1, -1, 1)})] * len(TARGETS)
    of = Examples(clips, TARGETS, [str(i) for i in range(len(TARGETS))], frame_rate=50)
    varied = Varied(of, Augmentation(crop_seconds=0.1), 0, 4)
    # the label of two clips
    starts = [int(varied[item].features.by_modality["speech"][0, 0]) for item in shown if item % len(TARGETS) > 50]
    assert len(set(starts)) > len(starts) - 3
    assert [varied[item].target.item() for item in shown] == [TARGETS[item % len(TARGETS)] for item in shown]


SHOWN = np.array([48, 12, 0]) / 60


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"class_weights": "none"}, SHOWN),
        ({"class_weights": "inverse"}, [0.5, 0.5, 0]),
        ({"class_weights": "none", "sampling": "balanced"}, [0.5, 0.5, 0]),
        ({"class_weights": "inverse", "sampling": "balanced"}, [0.5, 0.5, 0]),
        # n / (1 - 0.9^n), in shares
        ({"class_weights": "effective", "effective_beta": 0.9}, [0.7429, 0.2571, 0]),
        # softmax(logits + 0.5 log prior) = shown: plain logits say shown / prior^0.5, the absent label counting as one
        ({"class_weights": "none", "logit_adjustment": 0.5}, [2 / 3, 1 / 3, 0]),
        ({"class_weights": "none", "label_smoothing": 0.3}, 0.7 * SHOWN + 0.1),
    ],
    ids=str,
)
def test_a_head_that_hears_nothing_says_how_often_labels_count(settings: dict[str, Any], expected: Any) -> None:
    """With the same features in every clip, the loss is least where the probabilities are those of the labels."""
    clips = [ClipFeatures({"speech": torch.ones(2, 3, 8)})] * 60
    examples = Examples(clips, [0] * 48 + [1] * 12, [str(i) for i in range(60)])
    training = Training(epochs=80, batch_size=60, learning_rate=0.05, weight_decay=0, keep="last", **settings)
    fitted = fit(head(dropout=0.0), examples, None, training)
    np.testing.assert_allclose(probabilities(fitted.head, clips[:1])[0], expected, atol=0.01)
