"""The temperature: fitted to clips held out, saved with the model, in all probabilities it gives."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Recognizer, crossval, evaluate, train
from emovoz.features import features_of
from emovoz.inference import probabilities
from emovoz.inference.temperature import tempered
from emovoz.training.calibration import LEAST, MOST, fit_temperature
from noisy_words import closed, noisy


def drawn(seed: int, clips: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """True labels drawn from the softmax of logits, and these logits so many times as large."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (clips, 4))
    truth = np.array([random.choice(4, p=softmax(row)) for row in logits])
    return truth, logits * sharpness


def test_scores_are_the_softmax_of_the_divided_logits() -> None:
    logits = np.array([[1.0, 0.0, -3.0], [200.0, 0.0, -1e4]])
    np.testing.assert_allclose(tempered(softmax(logits, 1), 2.5), softmax(logits / 2.5, 1), atol=1e-12)
    scores = softmax(logits, 1)
    assert tempered(scores, None) is scores
    assert (tempered(scores, 9.0).argmax(1) == scores.argmax(1)).all()


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_it_undoes_what_was_done_to_the_logits_and_is_that_of_another_optimiser(sharpness: float) -> None:
    truth, logits = drawn(0, 4000, sharpness)
    fitted = fit_temperature(truth, softmax(logits, 1))
    assert fitted == pytest.approx(sharpness, rel=0.05)

    def cost(temperature: np.ndarray) -> float:
        return -float(log_softmax(logits / temperature, 1)[np.arange(len(truth)), truth].mean())

    best = minimize(cost, x0=[1.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12}).x[0]
    assert fitted == pytest.approx(best, rel=1e-3)


def test_it_stays_within_bounds_and_is_not_led_by_labels_that_nobody_could_know() -> None:
    truth = np.array([0, 1, 0])
    right, wrong = np.array([[0.6, 0.4], [0.4, 0.6], [0.6, 0.4]]), np.array([[0.4, 0.6], [0.6, 0.4], [0.4, 0.6]])
    assert fit_temperature(truth, right) == pytest.approx(LEAST, rel=1e-3)
    assert fit_temperature(truth, wrong) == pytest.approx(MOST, rel=1e-3)
    truth, logits = drawn(1, 500, 2.0)
    scores = softmax(logits, 1)
    # a label that was in no clip that was learned from has no chance
    more = np.append(truth, [4] * 20)
    known = np.pad(np.vstack([scores, scores[:20]]), [(0, 0), (0, 1)])
    assert fit_temperature(more, known) == pytest.approx(fit_temperature(truth, scores))
    assert fit_temperature(np.array([1]), np.array([[1.0, 0.0]])) is None


def test_other_clips_are_told_of_with_greater_likelihood(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    # few clips, learned by heart: without a temperature probabilities say too much
    costs = {}
    for temperature in (None, False):
        result = crossval(noisy(), closed(tiny_bert, temperature=temperature), folds=4, seeds=1, store=store)
        fits = {fit["fold"]: fit["temperature"] for fit in result.results["history"]}
        assert all((fitted is None) == (temperature is False) for fitted in fits.values())
        costs[temperature] = -np.mean([np.log(row[f"score_{row['label']}"]) for row in result.predictions["closed"]])
    assert costs[None] < costs[False] - 0.05


def test_given_dev_clips_are_what_it_is_fitted_to(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    dev = noisy(seed=5, speakers=3)
    recognizer = train(noisy(), closed(tiny_bert), dev=dev, store=store)
    features, _ = features_of(dev, recognizer.encoders, store)
    truth = np.array([recognizer.labels.index(clip.label or "") for clip in dev])
    raw = probabilities(recognizer.head, features)

    def cost(temperature: np.ndarray) -> float:
        return -float(log_softmax(np.log(raw) / temperature, 1)[np.arange(len(truth)), truth].mean())

    best = minimize(cost, x0=[1.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12}).x[0]
    assert recognizer.temperature == pytest.approx(best, rel=1e-3)


def test_saved_loaded_evaluated_and_predicted_it_is_the_same(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    trained = train(noisy(), closed(tiny_bert), store=store)
    trained.save_pretrained(tmp_path / "model")
    loaded = Recognizer.from_pretrained(tmp_path / "model")
    assert loaded.temperature == trained.temperature
    assert loaded.temperature is not None
    corpus = noisy(seed=7, speakers=2)
    features, _ = features_of(corpus, loaded.encoders, store)
    expected = softmax(np.log(probabilities(loaded.head, features)) / loaded.temperature, 1)
    evaluation = evaluate(loaded, corpus, store=store)
    rows = [[row[f"score_{label}"] for label in loaded.labels] for row in evaluation.predictions]
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    told = [[one.scores[label] for label in loaded.labels] for one in loaded.predict(corpus) if one.scores]
    np.testing.assert_allclose(told, expected, atol=1e-4)
    assert evaluation.results["history"][0]["temperature"] == loaded.temperature


def test_a_model_of_before_there_were_temperatures_loads_as_it_was(tiny_bert: Path, tmp_path: Path) -> None:
    trained = train(noisy(), closed(tiny_bert), store=FeatureStore(tmp_path / "store"))
    trained.save_pretrained(tmp_path / "model")
    place = tmp_path / "model" / "recognizer.json"
    card = json.loads(place.read_text())
    recipe = tmp_path / "model" / "recipe.yaml"
    recipe.write_text(recipe.read_text().partition("selection:")[0])
    place.write_text(json.dumps({key: card[key] for key in card if key not in ("temperature", "selected")}))
    (tmp_path / "model" / "checksums.json").unlink()
    old = Recognizer.from_pretrained(tmp_path / "model")
    assert old.temperature is None
    (one,) = old.predict(Clip("a", transcription="la casa"))
    (other,) = trained.predict(Clip("a", transcription="la casa"))
    assert one.label == other.label
    assert one.scores != other.scores
    for strange in (0, -1, "warm", float("inf")):
        place.write_text(json.dumps({**card, "temperature": strange}))
        with pytest.raises(InputError, match=r"recognizer\.json: the temperature .* is not a number above 0"):
            Recognizer.from_pretrained(tmp_path / "model")


def test_by_default_it_costs_no_further_fit_by_gradient(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    corpus = noisy(speakers=4)

    def fitted(**training: Any) -> float | None:
        settings: dict[str, Any] = {"method": "gradient", "epochs": 2, "regularisation": 1, **training}
        return train(corpus, closed(tiny_bert, **settings), store=store).temperature

    assert fitted(keep="best") is not None
    assert fitted(keep="last") is None
    assert fitted(keep="last", temperature=True) is not None


def test_a_corpus_too_small_to_hold_anything_out_is_trained_on_without(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    alone = Corpus([Clip("a", transcription="hola", label="joy"), Clip("b", transcription="sí", label="fear")])
    assert train(alone, closed(tiny_bert), store=store).temperature is None
    with pytest.raises(InputError, match="can be held out"):
        train(alone, closed(tiny_bert, temperature=True), store=store)
    unequal = Corpus([*alone, Clip("c", transcription="no", label="joy")])
    assert train(unequal, Recipe.checked(closed(tiny_bert).model_dump()), store=store).temperature is None
