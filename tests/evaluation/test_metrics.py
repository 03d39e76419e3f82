"""Metrics: scores agree with scikit-learn, intervals with an explicit loop and with the binomial law."""

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
)

from emovoz.evaluation.metrics import expected_calibration_error, score

LABELS = ("anger", "disgust", "fear", "joy", "sadness")
NAMES = ("macro_f1", "uar", "accuracy")


def random_case(
    clips: int, runs: int, seed: int, true_classes: tuple[int, ...], predicted_classes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Truth [clips] and predictions [runs, clips], right about half of the time."""
    random = np.random.default_rng(seed)
    truth = random.choice(true_classes, clips)
    guesses = random.choice(predicted_classes, (runs, clips))
    allowed = np.isin(truth, predicted_classes)
    return truth, np.where((random.random((runs, clips)) < 0.5) & allowed, truth, guesses)


def reference(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The scores of one run by scikit-learn; UAR is macro recall over the classes that occur in the truth."""
    return {
        "macro_f1": f1_score(truth, predicted, average="macro", zero_division=0),
        "uar": recall_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0),
        "accuracy": accuracy_score(truth, predicted),
    }


def scored(truth: np.ndarray, predicted: np.ndarray, resamples: int = 100, seed: int = 0) -> dict[str, Any]:
    return score(truth, predicted, LABELS, resamples=resamples, seed=seed)


EVERY = (0, 1, 2, 3, 4)
CASES = {
    "every class": (EVERY, EVERY),
    "a class in neither": ((0, 1, 2, 3), (0, 1, 2, 3)),
    "a class never predicted": (EVERY, (0, 1, 2, 3)),
    "a class only predicted": ((0, 1, 2, 3), EVERY),
    "one class in truth": ((2,), EVERY),
    "one class predicted": (EVERY, (2,)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("clips", [40, 300])
def test_scores_agree_with_scikit_learn(case: str, clips: int) -> None:
    truth, predicted = random_case(clips, 1, 5, *CASES[case])
    result = scored(truth, predicted)
    for name, value in reference(truth, predicted[0]).items():
        assert result[name]["value"] == pytest.approx(value, abs=1e-12), name
    np.testing.assert_array_equal(result["confusion"], confusion_matrix(truth, predicted[0], labels=range(5)))


@pytest.mark.parametrize("case", CASES)
def test_scores_of_each_class_agree_with_scikit_learn(case: str) -> None:
    truth, predicted = random_case(120, 1, 6, *CASES[case])
    result = scored(truth, predicted)["per_class"]
    assert tuple(result) == LABELS
    columns = precision_recall_fscore_support(truth, predicted[0], labels=range(5), zero_division=0)
    for i, label in enumerate(LABELS):
        told = [result[label][name] for name in ("precision", "recall", "f1", "support")]
        np.testing.assert_allclose(told, [column[i] for column in columns], atol=1e-12)


def test_several_runs_are_averaged() -> None:
    truth, predicted = random_case(90, 4, 7, *CASES["a class never predicted"])
    result = scored(truth, predicted)
    runs = [reference(truth, run) for run in predicted]
    for name in NAMES:
        assert len({run[name] for run in runs}) > 1
        assert result[name]["value"] == pytest.approx(np.mean([run[name] for run in runs]), abs=1e-12)
    f1 = np.mean([f1_score(truth, run, labels=range(5), average=None, zero_division=0) for run in predicted], axis=0)
    np.testing.assert_allclose([result["per_class"][label]["f1"] for label in LABELS], f1, atol=1e-12)
    matrices = [confusion_matrix(truth, run, labels=range(5)) for run in predicted]
    np.testing.assert_allclose(result["confusion"], np.mean(matrices, axis=0))


@pytest.mark.parametrize(("case", "runs"), [("every class", 1), ("a class in neither", 2)])
def test_intervals_equal_an_explicit_loop_over_the_same_resamples(case: str, runs: int) -> None:
    clips, resamples, seed = 30, 230, 11
    truth, predicted = random_case(clips, runs, 8, *CASES[case])
    random = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(resamples):
        # so few clips that whole classes are missing from some resamples
        drawn = np.repeat(np.arange(clips), random.multinomial(clips, np.full(clips, 1 / clips)))
        scores = [reference(truth[drawn], run[drawn]) for run in predicted]
        for name in NAMES:
            draws[name].append(float(np.mean([run[name] for run in scores])))
    result = scored(truth, predicted, resamples, seed)
    for name in NAMES:
        np.testing.assert_allclose(result[name]["ci95"], np.percentile(draws[name], [2.5, 97.5]), atol=1e-12)


def test_the_interval_of_accuracy_is_that_of_the_binomial_law() -> None:
    clips = 400
    truth = np.zeros(clips, dtype=int)
    predicted = (np.arange(clips) < 100).astype(int)[None]
    low, high = scored(truth, predicted, resamples=20000)["accuracy"]["ci95"]
    # a resampled accuracy is Binomial(400, 0.75) / 400; two clips of 400 are far more than the error of 20000 draws
    assert low == pytest.approx(binom.ppf(0.025, clips, 0.75) / clips, abs=2 / clips)
    assert high == pytest.approx(binom.ppf(0.975, clips, 0.75) / clips, abs=2 / clips)


def test_a_resample_takes_all_runs_of_a_clip_along() -> None:
    truth, predicted = random_case(60, 1, 9, EVERY, EVERY)
    once, thrice = scored(truth, predicted), scored(truth, np.repeat(predicted, 3, axis=0))
    for name in NAMES:
        # the same run three times is no more evidence than once
        np.testing.assert_allclose(thrice[name]["ci95"], once[name]["ci95"], atol=1e-12)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    truth, predicted = random_case(80, 2, 10, EVERY, EVERY)
    first, again, other = (scored(truth, predicted, 150, seed) for seed in (0, 0, 1))
    assert first == again
    assert first["macro_f1"]["value"] == other["macro_f1"]["value"]
    assert first["macro_f1"]["ci95"] != other["macro_f1"]["ci95"]


def test_the_value_lies_in_its_interval_and_more_clips_narrow_it() -> None:
    widths = []
    for clips in (50, 800):
        truth, predicted = random_case(clips, 1, 12, EVERY, EVERY)
        low, high = (result := scored(truth, predicted, 500)["uar"])["ci95"]
        assert low < result["value"] < high
        widths.append(high - low)
    # 16 times the clips: a quarter of the width, give or take
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.35)


@pytest.mark.parametrize("classes", [EVERY, (1, 3), (2,)])
def test_a_perfect_classifier_scores_one_without_doubt(classes: tuple[int, ...]) -> None:
    truth = np.resize(classes, 60)
    result = scored(truth, truth[None])
    for name in NAMES:
        assert result[name] == {"value": 1.0, "ci95": [1.0, 1.0]}


def test_a_classifier_that_is_always_wrong_scores_nothing() -> None:
    truth = np.resize(EVERY, 60)
    result = scored(truth, (truth[None] + 1) % 5)
    for name in NAMES:
        assert result[name] == {"value": 0.0, "ci95": [0.0, 0.0]}


def test_scores_can_be_written_as_strict_json() -> None:
    truth, predicted = random_case(40, 2, 13, *CASES["a class in neither"])
    result = scored(truth, predicted)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def binary(*confidences: float) -> np.ndarray:
    """Scores of two classes that give class 0 these probabilities."""
    return np.array([[value, 1 - value] for value in confidences])


@pytest.mark.parametrize(
    ("truth", "confidences", "expected"),
    [
        # each in a bin of its own: (0.05 + 0.92 + 0.45 + 0.52) / 4
        ([0, 1, 0, 1], [0.95, 0.92, 0.55, 0.52], (0.05 + 0.92 + 0.45 + 0.52) / 4),
        # both in the last bin, which begins at 14/15: |1/2 - 0.955|
        ([0, 1], [0.95, 0.96], 0.455),
        # full confidence belongs to the last bin too: |1/2 - 0.975|
        ([1, 0], [1.0, 0.95], 0.475),
        # two bins of unequal weight: 2/3 |1/2 - 0.85| + 1/3 |1 - 0.6|
        ([0, 1, 0], [0.84, 0.86, 0.6], 2 / 3 * 0.35 + 1 / 3 * 0.4),
        # a confidence that comes true: 4 of 5 at 0.8
        ([0, 0, 0, 0, 1], [0.81] * 5, 0.01),
        ([0, 0], [1.0, 1.0], 0.0),
    ],
)
def test_calibration_error_by_hand(truth: list[int], confidences: list[float], expected: float) -> None:
    assert expected_calibration_error(np.array(truth), binary(*confidences)) == pytest.approx(expected, abs=1e-12)


def test_calibration_error_agrees_with_a_loop_over_the_bins() -> None:
    random = np.random.default_rng(0)
    scores = random.dirichlet(np.full(4, 0.6), 500)
    truth = random.integers(0, 4, 500)
    confidence, right = scores.max(1), scores.argmax(1) == truth
    expected = 0.0
    for i in range(15):
        inside = (confidence >= i / 15) & (confidence < (i + 1) / 15)
        if inside.any():
            expected += inside.sum() / 500 * abs(right[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(truth, scores) == pytest.approx(expected, abs=1e-12)


def test_scores_that_come_true_are_calibrated_and_boasting_ones_are_not() -> None:
    random = np.random.default_rng(1)
    scores = random.dirichlet(np.ones(3), 20000)
    truth = (scores.cumsum(1) < random.random((20000, 1))).sum(1)
    assert expected_calibration_error(truth, scores) < 0.02
    boasting = scores**4 / (scores**4).sum(1, keepdims=True)
    assert expected_calibration_error(truth, boasting) > 0.1
