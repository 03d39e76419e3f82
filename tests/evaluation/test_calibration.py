"""Calibration: errors by hand, and as scikit-learn and plain loops have them."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from emovoz.evaluation.metrics import calibration, expected_calibration_error, reliability


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


def random_runs(runs: int = 3, clips: int = 400, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Truth [clips] and probabilities [runs, clips, classes]."""
    random = np.random.default_rng(7)
    return random.integers(0, classes, clips), random.dirichlet(np.full(classes, 0.7), (runs, clips))


def test_log_likelihood_is_that_of_scikit_learn() -> None:
    truth, scores = random_runs()
    expected = np.mean([log_loss(truth, run, labels=range(4)) for run in scores])
    assert calibration(truth, scores)["nll"] == pytest.approx(expected, abs=1e-9)


def test_brier_score_is_the_sum_of_those_of_each_label_in_scikit_learn() -> None:
    truth, scores = random_runs()
    each = [sum(brier_score_loss(truth == label, run[:, label]) for label in range(4)) for run in scores]
    assert calibration(truth, scores)["brier"] == pytest.approx(np.mean(each), abs=1e-12)


def test_a_certain_mistake_costs_a_finite_amount() -> None:
    measured = calibration(np.array([0, 1]), binary(1.0, 1.0)[None])
    assert measured["nll"] == pytest.approx(-np.log(np.finfo(float).eps) / 2)
    assert measured["brier"] == 1.0


def test_the_bins_hold_every_clip_once_and_make_up_the_error() -> None:
    truth, scores = random_runs(runs=1)
    bins = reliability(truth, scores)
    assert [of["low"] for of in bins] == pytest.approx([i / 15 for i in range(15)])
    assert [of["high"] for of in bins] == pytest.approx([(i + 1) / 15 for i in range(15)])
    assert sum(of["n"] for of in bins) == 400
    filled = [of for of in bins if of["n"]]
    assert all(of["low"] <= of["confidence"] <= of["high"] for of in filled)
    error = sum(of["n"] / 400 * abs(of["accuracy"] - of["confidence"]) for of in filled)
    assert error == pytest.approx(calibration(truth, scores)["ece"])


def test_bins_by_hand() -> None:
    # two of three right at .9, and one right at .6, in each of two runs
    run = binary(0.9, 0.9, 0.9, 0.4)
    bins = reliability(np.array([0, 0, 1, 1]), np.stack([run, run]))
    filled = {round(of["low"] * 15): (of["n"], of["confidence"], of["accuracy"]) for of in bins if of["n"]}
    assert filled == {13: (3.0, pytest.approx(0.9), pytest.approx(2 / 3)), 9: (1.0, pytest.approx(0.6), 1.0)}
    assert bins[0] == {"low": 0.0, "high": 1 / 15, "n": 0.0, "confidence": None, "accuracy": None}
