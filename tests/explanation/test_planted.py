"""Explanations where the reason is known beforehand, because it was put there."""

import numpy as np
import pytest

from emovoz import Clip, Corpus, FeatureStore, Recipe, Recognizer, Waveform, train
from voices import RATE, plain_recipe, voices

TONE = 2500
"""Of joy, Hz."""


@pytest.fixture(scope="module")
def hears_tones(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    store = FeatureStore(tmp_path_factory.mktemp("tones"))
    return train(voices(), plain_recipe(), store=store)


@pytest.fixture(scope="module")
def reads_words(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    """Sentences that differ by one word alone."""
    keys = {"anger": "furia", "joy": "fiesta", "sadness": "llanto"}
    places = ["en casa", "en la calle", "por la tarde", "con mi hermana", "otra vez", "sin parar"]
    clips = [
        Clip(f"{label}{i}", transcription=f"hoy hubo {key} {place}", label=label)
        for label, key in keys.items()
        for i, place in enumerate(places)
    ]
    recipe = Recipe.load("baseline-tfidf", ["ngrams.buckets=4096", "selection.grid={}"])
    return train(Corpus(clips), recipe, store=FeatureStore(tmp_path_factory.mktemp("words")))


def with_a_tone(start: float, seconds: float = 3.0) -> Clip:
    """Faint noise, and half a second of the tone of joy."""
    time = np.arange(round(seconds * RATE)) / RATE
    samples = np.random.default_rng(0).normal(0, 2e-3, len(time))
    there = (time >= start) & (time < start + 0.5)
    samples[there] += 0.05 * np.sin(2 * np.pi * TONE * time[there])
    return Clip("tone", Waveform(samples.astype(np.float32), RATE))


@pytest.mark.parametrize("start", [0.5, 1.0, 2.25])
def test_the_seconds_that_hold_the_reason_are_at_the_top(hears_tones: Recognizer, start: float) -> None:
    explanation = hears_tones.explain(with_a_tone(start), label="joy")
    top = sorted(explanation.seconds, key=lambda one: -one.score)[:2]
    assert {one.start for one in top} == {start, start + 0.25}
    assert explanation.seconds[0].start == 0.0
    assert explanation.seconds[-1].end == 3.0
    check = explanation.checks["seconds"]
    assert check.hidden == 0.5
    assert check.probability.top > check.probability.random > 0 or check.log_odds.top > 3 * check.log_odds.random


def test_the_word_that_is_the_reason_is_at_the_top(reads_words: Recognizer) -> None:
    clip = Clip("words", transcription="mañana habrá ¡fiesta! con mi vecino")
    explanation = reads_words.explain(clip)
    assert explanation.label == "joy"
    scores = {word.text: word.score for word in explanation.words}
    assert [*scores] == ["mañana", "habrá", "¡fiesta!", "con", "mi", "vecino"]
    assert max(scores, key=lambda word: scores[word]) == "¡fiesta!"
    check = explanation.checks["words"]
    assert (check.hidden, check.draws) == (1, 6)
    assert check.probability.top > check.probability.interval[1] - 1e-9
    assert explanation.seconds == ()


def test_what_speaks_against_a_label_is_below_zero(reads_words: Recognizer) -> None:
    explanation = reads_words.explain(Clip("words", transcription="hoy hubo fiesta en casa"), label="anger")
    (fiesta,) = [word for word in explanation.words if word.text == "fiesta"]
    assert fiesta.score < 0
    assert explanation.prediction.label == "joy"


def test_the_only_modality_has_all_the_evidence(reads_words: Recognizer) -> None:
    parts = reads_words.explain(Clip("words", transcription="hubo fiesta")).modalities
    assert [*parts.evidence] == [*parts.alone] == ["text"]
    assert parts.alone["text"] == pytest.approx(parts.together)
    assert parts.neither == pytest.approx(1 / 3, abs=0.02), "three labels, each as frequent"
    odds = [np.log(chance / (1 - chance)) for chance in (parts.together, parts.neither)]
    assert parts.evidence["text"] == pytest.approx(odds[0] - odds[1])


def test_one_word_and_a_moment_of_sound_are_not_divided(hears_tones: Recognizer, reads_words: Recognizer) -> None:
    (word,) = reads_words.explain(Clip("words", transcription="fiesta")).words
    assert word.score > 0
    short = Clip("short", Waveform(np.sin(np.arange(480)).astype(np.float32), RATE))
    explanation = hears_tones.explain(short)
    assert explanation.checks == {} or explanation.checks["seconds"].hidden < 0.03
    assert explanation.modalities.together > 0


def test_digital_silence_around_the_sound_is_no_hindrance(hears_tones: Recognizer) -> None:
    samples = np.zeros(2 * RATE, dtype=np.float32)
    samples[RATE : RATE + 4000] = 0.05 * np.sin(2 * np.pi * TONE * np.arange(4000) / RATE)
    explanation = hears_tones.explain(samples, rate=RATE, label="joy")
    assert len(explanation.seconds) == 8
    assert np.isfinite([one.score for one in explanation.seconds]).all()
    assert explanation.checks["seconds"].draws == 7
