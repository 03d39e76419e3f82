"""Comparisons: paired differences agree with an explicit loop, McNemar's test with the binomial law."""

from math import comb
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from emovoz.evaluation.comparison import comparisons, majority

LABELS = ["anger", "fear", "joy"]


def rows_of(truth: np.ndarray, scores: np.ndarray, predicted: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Rows of predictions of probabilities [runs, clips, labels]; by default the most probable label is predicted."""
    decided = scores.argmax(2) if predicted is None else predicted
    return [
        {
            "id": f"c{i}",
            "seed": seed,
            "label": LABELS[truth[i]],
            "predicted": LABELS[decided[seed, i]],
            **{f"score_{label}": float(p) for label, p in zip(LABELS, scores[seed, i], strict=True)},
        }
        for seed in range(len(scores))
        for i in range(len(truth))
    ]


def random_recipes(clips: int, runs: int, skills: dict[str, float]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Truth [clips] and each recipe's probabilities [runs, clips, labels], better where it is skilled."""
    random = np.random.default_rng(5)
    truth = random.integers(0, 3, clips)
    recipes = {}
    for name, skill in skills.items():
        scores = random.dirichlet(np.ones(3), (runs, clips))
        scores[:, np.arange(clips), truth] += skill
        recipes[name] = scores / scores.sum(2, keepdims=True)
    return truth, recipes


def compared(
    truth: np.ndarray, recipes: dict[str, np.ndarray], resamples: int = 200, speakers: list[str] | None = None
) -> list[dict[str, Any]]:
    rows = {name: rows_of(truth, scores) for name, scores in recipes.items()}
    return comparisons(rows, LABELS, speakers=speakers or [], resamples=resamples, seed=9)


def mean_f1(truth: np.ndarray, scores: np.ndarray) -> float:
    return float(np.mean([f1_score(truth, run.argmax(1), average="macro") for run in scores]))


def test_every_pair_is_compared_in_the_order_of_the_recipes() -> None:
    truth, recipes = random_recipes(60, 2, {"first": 0.5, "second": 0.2, "third": 0.0})
    pairs = compared(truth, recipes)
    assert [(pair["a"], pair["b"]) for pair in pairs] == [("first", "second"), ("first", "third"), ("second", "third")]
    for pair in pairs:
        expected = mean_f1(truth, recipes[pair["a"]]) - mean_f1(truth, recipes[pair["b"]])
        assert pair["difference"]["value"] == pytest.approx(expected, abs=1e-12)


def test_the_interval_equals_an_explicit_loop_over_resamples_that_both_share() -> None:
    truth, recipes = random_recipes(40, 3, {"a": 0.4, "b": 0.3})
    random = np.random.default_rng(9)
    draws = []
    for _ in range(130):
        drawn = np.repeat(np.arange(40), random.multinomial(40, np.full(40, 1 / 40)))
        a, b = (mean_f1(truth[drawn], scores[:, drawn]) for scores in recipes.values())
        draws.append(a - b)
    (pair,) = compared(truth, recipes, 130)
    np.testing.assert_allclose(pair["difference"]["ci95"], np.percentile(draws, [2.5, 97.5]), atol=1e-12)
    assert pair["difference"]["ci95_speakers"] is None


def test_the_interval_over_speakers_draws_whole_speakers_for_both() -> None:
    truth, recipes = random_recipes(48, 2, {"a": 0.4, "b": 0.2})
    speakers = [f"voice{i % 6}" for i in range(48)]
    random = np.random.default_rng(9)
    draws = []
    for _ in range(130):
        counts = random.multinomial(6, np.full(6, 1 / 6))
        drawn = np.array([i for voice, count in enumerate(counts) for i in list(range(voice, 48, 6)) * count])
        a, b = (mean_f1(truth[drawn], scores[:, drawn]) for scores in recipes.values())
        draws.append(a - b)
    (pair,) = compared(truth, recipes, 130, speakers)
    np.testing.assert_allclose(pair["difference"]["ci95_speakers"], np.percentile(draws, [2.5, 97.5]), atol=1e-12)


def test_pairing_sees_a_difference_that_separate_intervals_hide() -> None:
    # b is a with ten more mistakes: whatever is drawn, never better
    truth, recipes = random_recipes(200, 1, {"a": 0.5})
    worse = recipes["a"].copy()
    right = np.flatnonzero(worse[0].argmax(1) == truth)[:10]
    worse[0, right] = np.roll(worse[0, right], 1, axis=1)
    (pair,) = compared(truth, {"a": recipes["a"], "b": worse}, 1000)
    low, high = pair["difference"]["ci95"]
    assert 0 < low < pair["difference"]["value"] < high < 0.1


def test_a_recipe_compared_with_itself_differs_in_nothing() -> None:
    truth, recipes = random_recipes(50, 2, {"a": 0.4})
    (pair,) = compared(truth, {"a": recipes["a"], "again": recipes["a"]}, speakers=[f"v{i % 5}" for i in range(50)])
    assert pair["difference"] == {"value": 0.0, "ci95": [0.0, 0.0], "ci95_speakers": [0.0, 0.0]}
    assert pair["mcnemar"] == {"a_only_right": 0, "b_only_right": 0, "p": 1.0}


@pytest.mark.parametrize(("only_a", "only_b"), [(9, 2), (2, 9), (5, 5), (1, 0), (30, 11)])
def test_mcnemar_is_the_two_sided_binomial_tail(only_a: int, only_b: int) -> None:
    clips = only_a + only_b + 20
    truth = np.zeros(clips, dtype=int)
    right, wrong = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]
    a = np.array([[right] * only_a + [wrong] * only_b + [right] * 20])
    b = np.array([[wrong] * only_a + [right] * only_b + [right] * 20])
    (pair,) = compared(truth, {"a": a, "b": b}, 100)
    discordant = only_a + only_b
    tail = sum(comb(discordant, k) for k in range(min(only_a, only_b) + 1)) / 2**discordant
    test = pair["mcnemar"]
    assert (test["a_only_right"], test["b_only_right"]) == (only_a, only_b)
    assert test["p"] == pytest.approx(min(1.0, 2 * tail))


def test_the_label_that_most_seeds_decide_for_counts() -> None:
    truth = np.zeros(3, dtype=int)
    fear, joy, even = [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.5, 0.45, 0.05]
    runs = np.array([[fear, fear, even], [fear, joy, fear], [joy, joy, joy]])
    # first: fear twice; second: joy twice; third: one vote each, and fear has the highest mean probability
    assert [LABELS[i] for i in majority(rows_of(truth, runs), LABELS)] == ["fear", "joy", "fear"]


def test_decisions_by_thresholds_count_as_they_were_made() -> None:
    truth = np.zeros(1, dtype=int)
    scores = np.array([[[0.2, 0.3, 0.5]], [[0.2, 0.3, 0.5]]])
    # anger although joy is the most probable
    assert majority(rows_of(truth, scores, np.zeros((2, 1), dtype=int)), LABELS).tolist() == [0]
