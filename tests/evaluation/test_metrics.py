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

from emovoz.evaluation.metrics import score

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
        assert result[name] == {"value": 1.0, "ci95": [1.0, 1.0], "ci95_speakers": None}


def test_a_classifier_that_is_always_wrong_scores_nothing() -> None:
    truth = np.resize(EVERY, 60)
    result = scored(truth, (truth[None] + 1) % 5)
    for name in NAMES:
        assert result[name] == {"value": 0.0, "ci95": [0.0, 0.0], "ci95_speakers": None}


def test_scores_can_be_written_as_strict_json() -> None:
    truth, predicted = random_case(40, 2, 13, *CASES["a class in neither"])
    result = scored(truth, predicted)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def of_speakers(truth: np.ndarray, predicted: np.ndarray, speakers: list[str | None], resamples: int = 100) -> Any:
    return score(truth, predicted, LABELS, speakers=speakers, resamples=resamples, seed=3)


def test_intervals_over_speakers_equal_an_explicit_loop_that_draws_whole_speakers() -> None:
    truth, predicted = random_case(70, 2, 14, EVERY, EVERY)
    names = ["ana", "berta", "carlos", "diego", "eva", "flor"]
    speakers = [names[i] for i in np.random.default_rng(2).integers(0, 6, 70)]
    random = np.random.default_rng(3)
    draws: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(150):
        counts = random.multinomial(6, np.full(6, 1 / 6))
        drawn = [i for name, count in zip(names, counts, strict=True) for i in own(speakers, name) * count]
        scores = [reference(truth[drawn], run[drawn]) for run in predicted]
        for name in NAMES:
            draws[name].append(float(np.mean([run[name] for run in scores])))
    result = of_speakers(truth, predicted, list(speakers), 150)
    for name in NAMES:
        np.testing.assert_allclose(result[name]["ci95_speakers"], np.percentile(draws[name], [2.5, 97.5]), atol=1e-12)


def own(speakers: list[str], name: str) -> list[int]:
    return [i for i, speaker in enumerate(speakers) if speaker == name]


def test_where_speakers_differ_the_interval_over_them_is_the_wider() -> None:
    # ten voices of 40 clips, each wholly right or wholly wrong: ten facts, not 400
    truth = np.zeros(400, dtype=int)
    wrong = np.arange(400) // 40 % 2
    result = of_speakers(truth, wrong[None], [f"voice{i // 40}" for i in range(400)], 20000)["accuracy"]
    low, high = result["ci95_speakers"]
    # a resampled accuracy is Binomial(10, 0.5) / 10
    assert (low, high) == (pytest.approx(binom.ppf(0.025, 10, 0.5) / 10), pytest.approx(binom.ppf(0.975, 10, 0.5) / 10))
    assert high - low > 3 * (result["ci95"][1] - result["ci95"][0])


@pytest.mark.parametrize(
    "named", [["ana"] * 40, ["a", "b", "c", "d"] * 10, [None] * 40, ["a", "b", "c", "d", "e"] * 7 + [None] * 5]
)
def test_few_or_unnamed_speakers_give_no_interval(named: list[str | None]) -> None:
    truth, predicted = random_case(40, 1, 15, EVERY, EVERY)
    result = of_speakers(truth, predicted, named)
    assert all(result[name]["ci95_speakers"] is None and result[name]["ci95"] for name in NAMES)
