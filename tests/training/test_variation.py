"""Crops, mixup and modality dropout: what an epoch shows of a clip, whatever else is in the corpus."""

from typing import Any

import numpy as np
import pytest
import torch

from emovoz.features import ClipFeatures
from emovoz.settings import Augmentation
from emovoz.training.examples import Example, Examples
from emovoz.training.variation import Varied, mix

CLASSES = 3


def examples(lengths: list[int], *, text: bool = True, pooled: bool = False) -> Examples:
    """Clips whose every frame tells which clip and which frame it is: values 100 x clip + frame."""
    features = []
    for i, length in enumerate(lengths):
        frames = 100.0 * i + torch.arange(length).float()
        speech = torch.tensor([100.0 * i]) if pooled else frames.reshape(1, -1, 1)
        words = torch.tensor([-100.0 * i]) if pooled else -frames[:4].reshape(1, -1, 1)
        features.append(ClipFeatures({"speech": speech, "text": words} if text else {"speech": speech}))
    ids = [f"clip-{i}" for i in range(len(lengths))]
    return Examples(features, [i % CLASSES for i in range(len(lengths))], ids, pooled, frame_rate=50)


def shown(of: Examples, epoch: int = 0, seed: int = 0, **settings: Any) -> dict[str, Example]:
    varied = Varied(of, Augmentation(**settings), seed, CLASSES)
    varied.epoch = epoch
    return {of.ids[i]: varied[i] for i in range(len(of))}


def same(one: Example, other: Example) -> bool:
    ours, theirs = one.features.by_modality, other.features.by_modality
    return (
        ours.keys() == theirs.keys()
        and all(torch.equal(ours[name], theirs[name]) for name in ours)
        and torch.equal(one.target, other.target)
    )


def test_without_any_setting_the_clips_are_shown_as_they_are() -> None:
    of = examples([5, 9])
    assert all(same(example, of[i]) for i, example in enumerate(shown(of).values()))


def test_a_crop_is_a_stretch_of_the_speech_and_leaves_short_clips_and_words_whole() -> None:
    of = examples([40, 6, 5, 1])
    crops = shown(of, crop_seconds=0.12)
    stretch = crops["clip-0"].features.by_modality["speech"].flatten()
    # 0.12 s at 50 frames a second
    assert len(stretch) == 6
    assert torch.equal(stretch, stretch[0] + torch.arange(6))
    for i in (1, 2, 3):
        assert same(crops[f"clip-{i}"], of[i])
    assert all(
        torch.equal(crops[of.ids[i]].features.by_modality["text"], of[i].features.by_modality["text"]) for i in range(4)
    )


def test_crops_begin_anywhere_equally_often() -> None:
    of = examples([10], text=False)
    starts = [
        int(shown(of, epoch, crop_seconds=0.12)["clip-0"].features.by_modality["speech"][0, 0]) for epoch in range(1000)
    ]
    counts = np.bincount(starts, minlength=5)
    assert len(counts) == 5
    assert counts.min() > 150


@pytest.mark.parametrize(
    "settings",
    [{"crop_seconds": 0.1}, {"modality_dropout": 0.4}, {"crop_seconds": 0.2, "modality_dropout": 0.4}],
    ids=str,
)
def test_what_a_clip_shows_depends_on_seed_epoch_and_id_alone(settings: dict[str, Any]) -> None:
    of = examples([30] * 40)
    some = of.select([31, 3, 17])
    everything, few = shown(of, 2, **settings), shown(some, 2, **settings)
    assert all(same(few[name], everything[name]) for name in few)
    for other in (shown(of, 3, **settings), shown(of, 2, seed=1, **settings)):
        assert not all(same(other[name], everything[name]) for name in everything)


def test_modality_dropout_takes_one_modality_as_often_as_asked() -> None:
    kept = [tuple(one.features.by_modality) for one in shown(examples([3] * 1000), modality_dropout=0.4).values()]
    assert 0.35 < sum(len(names) == 1 for names in kept) / 1000 < 0.45
    assert 0.15 < kept.count(("speech",)) / 1000 < 0.25
    assert all(
        shown(examples([3] * 50, text=False), modality_dropout=0.9)[f"clip-{i}"].features.by_modality for i in range(50)
    )


def test_mixup_mixes_features_and_labels_in_the_same_shares() -> None:
    of = examples([1] * 200, pooled=True)
    for i, one in enumerate(shown(of, mixup=0.5).values()):
        speech, text = (one.features.by_modality[name].item() for name in ("speech", "text"))
        assert text == -speech
        assert one.target.sum().item() == pytest.approx(1)
        share = one.target[i % CLASSES].item()
        if 0.01 < share < 0.99:
            # value = 100 x (share x clip + (1 - share) x partner), and the partner's label has the rest
            partner = (speech / 100 - share * i) / (1 - share)
            assert partner == pytest.approx(round(partner), abs=1e-3)
            assert one.target[round(partner) % CLASSES].item() == pytest.approx(1 - share, abs=1e-6)


def test_the_shares_of_mixup_are_those_of_the_beta_distribution() -> None:
    of = Examples([ClipFeatures({"speech": torch.tensor([float(i == 0)])}) for i in range(2)], [0, 1], ["a", "b"], True)
    values = [shown(of, epoch, mixup=2.0)["a"].features.by_modality["speech"].item() for epoch in range(4000)]
    shares = [value for value in values if value < 1]
    # with another clip as partner, the value is the share: Beta(2, 2) has mean 1/2 and variance 1/20
    assert len(shares) == pytest.approx(2000, abs=150)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)
    assert np.var(shares) == pytest.approx(0.05, abs=0.005)


def test_mixup_does_not_depend_on_the_order_of_the_corpus() -> None:
    of = examples([12, 5, 9, 7, 3, 8])
    forwards, backwards = shown(of, 1, mixup=0.4), shown(of.select([5, 4, 3, 2, 1, 0]), 1, mixup=0.4)
    assert all(same(forwards[name], backwards[name]) for name in forwards)
    assert not all(
        same(one, other) for one, other in zip(shown(of, 2, mixup=0.4).values(), forwards.values(), strict=True)
    )


def test_a_partner_is_cut_or_repeated_to_the_length_of_the_clip() -> None:
    long, short = examples([5, 2], text=False)[0], examples([5, 2], text=False)[1]
    over = mix(long, short, 0.75, CLASSES).features.by_modality["speech"].flatten()
    assert over.tolist() == [0.75 * i + 0.25 * (100 + i % 2) for i in range(5)]
    under = mix(short, long, 0.75, CLASSES).features.by_modality["speech"].flatten()
    assert under.tolist() == [0.75 * (100 + i) + 0.25 * i for i in range(2)]


def test_only_what_both_clips_have_is_mixed_and_without_it_the_clip_stays_itself() -> None:
    speech, text = ({name: torch.ones(2)} for name in ("speech", "text"))
    both, mute, deaf = (
        Example(ClipFeatures(one), torch.tensor(i)) for i, one in enumerate([speech | text, text, speech])
    )
    assert set(mix(both, mute, 0.6, CLASSES).features.by_modality) == {"text"}
    alone = mix(mute, deaf, 0.6, CLASSES)
    assert set(alone.features.by_modality) == {"text"}
    assert alone.target.tolist() == [0, 1, 0]
