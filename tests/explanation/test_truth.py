"""Explanations of a trained model checked over voices that it has not heard: what they point at matters."""

from pathlib import Path

import numpy as np
import pytest

from emovoz import Corpus, Recognizer
from emovoz.explanation import Judge, evidence_of, judge_of
from emovoz.explanation.check import Falls, check_seconds, check_words
from emovoz.explanation.evidence import Evidence
from emovoz.explanation.judge import Features
from emovoz.features import ClipFeatures, encode_clips

DRAWS = 4


@pytest.fixture(scope="module")
def judge(quickstart: Path) -> Judge:
    return judge_of(Recognizer.from_pretrained(quickstart / "model"))


@pytest.fixture(scope="module")
def explained(judge: Judge, demo: Corpus) -> list[tuple[int, Features, Evidence]]:
    """Of the decisions for all held-out clips: number, features and evidence."""
    clips = demo.split("test").clips
    found = []
    for i, features in enumerate(encode_clips(clips, judge.encoders)):
        assert isinstance(features, ClipFeatures)
        label = judge.labels[int(judge.scores([features])[0].argmax())]
        found.append((i, features.by_modality, evidence_of(judge, clips[i], features.by_modality, label)))
    return found


def surely_above_zero(falls: list[Falls]) -> bool:
    """Whether the mean of top minus random is above zero in 97.5 % of the resamples of clips."""
    more = np.array([one.top - one.random for one in falls])
    resamples = np.random.default_rng(0).choice(more, (2000, len(more)))
    return bool(np.percentile(resamples.mean(1), 2.5) > 0)


def test_silencing_the_top_seconds_lowers_the_probability_more_than_random_ones(
    judge: Judge, demo: Corpus, explained: list[tuple[int, Features, Evidence]]
) -> None:
    clips = demo.split("test").clips
    checks = [check_seconds(judge, clips[i], of, evidence, draws=DRAWS) for i, of, evidence in explained[::2]]
    falls = [check.probability for check in checks if check]
    assert len(falls) == 24
    assert surely_above_zero(falls)


def test_taking_out_the_top_words_lowers_the_probability_more_than_random_ones(
    judge: Judge, demo: Corpus, explained: list[tuple[int, Features, Evidence]]
) -> None:
    clips = demo.split("test").clips
    checks = [check_words(judge, clips[i], of, evidence, draws=DRAWS) for i, of, evidence in explained]
    falls = [check.probability for check in checks if check]
    assert len(falls) == 48
    assert surely_above_zero(falls)


def test_the_evidence_of_the_modalities_is_the_way_from_nothing_to_the_whole(
    explained: list[tuple[int, Features, Evidence]],
) -> None:
    for _, _, evidence in explained:
        parts = evidence.modalities
        odds = [np.log(chance / (1 - chance)) for chance in (parts.together, parts.neither)]
        assert sum(parts.evidence.values()) == pytest.approx(odds[0] - odds[1], abs=1e-4)
        assert [*parts.alone] == ["speech", "text"]
