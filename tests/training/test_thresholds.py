"""Thresholds: fitted to dev clips and to no others, saved with the model, and what every decision goes by."""

import csv
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Recognizer, crossval, evaluate, train
from emovoz.corpus import held_out
from emovoz.inference.thresholds import decisions, read_thresholds
from emovoz.settings import Selection
from emovoz.training.thresholds import GRID, ascend, fit_thresholds
from helpers import emovoz, json_lines, write_manifest

PRIOR = np.array([0.6, 0.3, 0.1])


def drawn(seed: int, clips: int, favour: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """True labels, and probabilities that favour the frequent ones."""
    random = np.random.default_rng(seed)
    truth = random.choice(3, clips, p=PRIOR)
    logits = random.normal(0, 1, (clips, 3))
    logits[np.arange(clips), truth] += 1.5
    logits += favour * np.array([1, 0, -1.5])
    odds = np.exp(logits)
    return truth, odds / odds.sum(1, keepdims=True)


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(f1_score(truth, predicted, average="macro", zero_division=0))


def test_the_decision_is_the_largest_multiple_of_a_threshold() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05]])
    # 0.5 / 0.5 = 1, 0.3 / 0.2 = 1.5, 0.2 / 0.5 = 0.4
    assert decisions(scores, np.array([0.5, 0.2, 0.5])).tolist() == [1, 0]
    # proportions alone count
    assert decisions(scores, np.array([0.1, 0.04, 0.1])).tolist() == [1, 0]
    for even in (0.05, 0.3, 0.7):
        many = np.random.default_rng(0).dirichlet(np.ones(6), 2000)
        assert np.array_equal(decisions(many, np.full(6, even)), many.argmax(1))


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 7])
def test_no_thresholds_of_the_grid_are_better(seed: int) -> None:
    truth, scores = drawn(seed, 80)
    every = np.array(list(itertools.product(GRID, repeat=3)))
    guesses = np.unique((scores[None] / every[:, None]).argmax(2), axis=0)
    best = max(macro_f1(truth, guess) for guess in guesses)
    assert macro_f1(truth, decisions(scores, ascend(truth, scores))) == pytest.approx(best)
    assert best > macro_f1(truth, scores.argmax(1)) + 0.05


def test_they_help_on_clips_that_they_were_not_fitted_to() -> None:
    gains = []
    for seed in range(8):
        thresholds = fit_thresholds(*drawn(seed, 400))
        assert np.array_equal(thresholds, fit_thresholds(*drawn(seed, 400)))
        assert thresholds[2] < thresholds[0]
        truth, scores = drawn(100 + seed, 4000)
        gains.append(macro_f1(truth, decisions(scores, thresholds)) - macro_f1(truth, scores.argmax(1)))
    assert min(gains) > 0.05


def test_the_fewer_clips_a_label_has_the_less_its_threshold_moves() -> None:
    truth, scores = drawn(0, 400)
    clips = np.bincount(truth)
    best, fitted = (np.log(fit(truth, scores) / 0.5) for fit in (ascend, fit_thresholds))
    assert fitted == pytest.approx(best * clips / (clips + 20))
    assert best[2] < 0


def test_they_stay_equal_where_nothing_is_to_be_gained_on_other_clips() -> None:
    truth = np.arange(60) % 3
    certain = np.full((60, 3), 0.1)
    certain[np.arange(60), truth] = 0.8
    assert fit_thresholds(truth, certain).tolist() == [0.5] * 3
    moved = 0
    for seed in range(20):
        # here equal thresholds are as good as any on 20,000 clips: what a fit gains on 60 is luck
        truth, scores = drawn(seed, 60, favour=0.3)
        moved += not np.array_equal(fit_thresholds(truth, scores), np.full(3, 0.5))
        assert not np.array_equal(ascend(truth, scores), np.full(3, 0.5))
    assert moved <= 4
    assert fit_thresholds(np.array([1]), np.array([[0.6, 0.4]])).tolist() == [0.5, 0.5]


def test_a_label_without_dev_clips_keeps_its_threshold() -> None:
    truth, scores = drawn(0, 1200)
    there = truth != 1
    thresholds = fit_thresholds(truth[there], scores[there])
    assert thresholds[1] == 0.5
    assert thresholds[0] != thresholds[2]


def spoken(speakers: int = 16) -> Corpus:
    """Fear is rare: it is said in two fifths of the clips that say `la casa`, and never else."""
    return Corpus(
        [
            Clip(
                f"s{speaker}-{i}",
                transcription="la casa" if i < 54 else "hola",
                label="fear" if i < 22 else "joy",
                speaker=f"s{speaker}",
            )
            for speaker in range(speakers)
            for i in range(135)
        ]
    )


def recipe(tiny_bert: Path, **training: Any) -> Recipe:
    """Logistic regression by default, whose probabilities are those of the labels given the words.

    Half of the clips are dev clips where a part is held out: from few of fear, its threshold would be drawn back to
    where it changes nothing.
    """
    model = {"layer_mix": "concatenate", "layer_norm": False, "pooling": "mean", "hidden_layers": 0, "dropout": 0}
    chosen: dict[str, Any] = {"method": "logistic_regression", "class_weights": "none", "regularisation": 100}
    chosen |= {"thresholds": True, "dev_fraction": 0.5}
    text = {"model": str(tiny_bert), "layers": [0, 2]}
    return Recipe.checked({"name": "t", "text": text, "model": model, "training": {**chosen, **training}})


@pytest.fixture(scope="module")
def recognizer(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return train(spoken(), recipe(tiny_bert), store=FeatureStore(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def saved(recognizer: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thresholds") / "model"
    recognizer.save_pretrained(folder)
    return folder


def test_predict_decides_by_the_thresholds_of_the_model_and_keeps_probabilities(recognizer: Recognizer) -> None:
    assert recognizer.thresholds is not None
    assert recognizer.thresholds["fear"] < recognizer.thresholds["joy"]
    casa, hola = recognizer.predict([Clip("a", transcription="la casa"), Clip("b", transcription="hola")])
    assert (casa.label, hola.label) == ("fear", "joy")
    # 22 of 54 who say it are afraid
    assert casa.scores["fear"] == pytest.approx(22 / 54, abs=0.02)
    assert sum(casa.scores.values()) == pytest.approx(1)


def test_thresholds_given_to_predict_take_the_place_of_the_model_s(recognizer: Recognizer, tiny_bert: Path) -> None:
    clip = Clip("a", transcription="la casa")
    model = recognizer.thresholds or {}
    ratio = model["joy"] * 22 / 32  # p(fear) / p(joy) = 22/32: in that ratio fear and joy are decided alike
    assert recognizer.predict(clip, thresholds={"fear": ratio - 0.02})[0].label == "fear"
    assert recognizer.predict(clip, thresholds={"fear": ratio + 0.02})[0].label == "joy"
    plain = Recognizer(recognizer.head, recognizer.encoders, recognizer.recipe)
    assert plain.predict(clip)[0].label == "joy"
    # a label without one has 0.5
    assert plain.predict(clip, thresholds={"fear": 0.32})[0].label == "fear"
    assert plain.predict(clip, thresholds={"fear": 0.36})[0].label == "joy"


def test_impossible_thresholds_are_told_at_once_and_before_anything_is_judged(recognizer: Recognizer) -> None:
    with pytest.raises(InputError) as caught:
        recognizer.predict_each([], thresholds={"Fear": 0.5, "joy": 1.0, "fear": float("nan")})
    assert set(caught.value.faults) == {
        "threshold of 'Fear': no such label (fear, joy); did you mean 'fear'?",
        "threshold of 'joy': 1.0 is not between 0 and 1",
        "threshold of 'fear': nan is not between 0 and 1",
    }


def test_saved_and_loaded_evaluate_predict_and_submission_agree(
    recognizer: Recognizer, saved: Path, tmp_path: Path
) -> None:
    loaded = Recognizer.from_pretrained(saved)
    assert loaded.thresholds == recognizer.thresholds
    corpus = spoken(3)
    evaluation = evaluate(loaded, corpus, store=FeatureStore(tmp_path / "store"))
    labels = [prediction.label for prediction in loaded.predict(corpus)]
    assert "fear" in labels
    assert [row["predicted"] for row in evaluation.predictions] == labels
    truth = [clip.label for clip in corpus]
    assert evaluation.results["macro_f1"]["value"] == pytest.approx(f1_score(truth, labels, average="macro"))
    assert evaluation.results["seeds"][0]["macro_f1"] == evaluation.results["macro_f1"]["value"]
    assert evaluation.results["history"][0]["thresholds"] == recognizer.thresholds
    decided = {row["id"]: row["predicted"] for row in evaluation.predictions}
    assert all(row["predicted"] == decided[row["id"]] for row in evaluation.results["hardest"])
    evaluation.save_submission(tmp_path / "submission.csv")
    with (tmp_path / "submission.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == labels


@pytest.mark.parametrize(
    ("thresholds", "fault"),
    [({"fear": 2, "joy": 0.5}, "'fear': 2 is not between"), ({"sad": 0.5}, "'sad'"), ([0.5, 0.5], "by label")],
)
def test_a_saved_threshold_that_cannot_be_is_refused(
    saved: Path, tmp_path: Path, thresholds: Any, fault: str, recognizer: Recognizer
) -> None:
    recognizer.save_pretrained(tmp_path / "model")
    place = tmp_path / "model" / "recognizer.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "thresholds": thresholds}))
    with pytest.raises(InputError, match=rf"recognizer\.json: .*{fault}"):
        Recognizer.from_pretrained(tmp_path / "model")


def test_the_command_line_takes_thresholds(saved: Path, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "m.csv", [{"id": "a", "transcription": "la casa"}])
    done = emovoz("predict", str(saved), str(manifest), "--threshold", "fear=0.9", "--threshold", "joy=0.2")
    assert done.returncode == 0, done.stderr
    assert json_lines(done.stdout)[0]["label"] == "joy"
    with pytest.raises(InputError) as caught:
        read_thresholds(["fear", "joy=0.2", "=0.5", "fear=much"])
    assert caught.value.faults == tuple(
        f"--threshold {one!r}: expected label=value, such as fear=0.2" for one in ("fear", "=0.5", "fear=much")
    )


def test_where_the_last_epoch_is_kept_thresholds_come_from_a_fit_without_the_held_out_part(
    tiny_bert: Path, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path)
    by_gradient = {"method": "gradient", "keep": "last", "epochs": 6, "learning_rate": 0.01, "regularisation": 1}
    by_gradient["temperature"] = False
    wanted = recipe(tiny_bert, **by_gradient)
    corpus = spoken()
    rest, held = held_out(corpus, wanted.training.dev_fraction, seed=0)
    whole = train(corpus, wanted, store=store)
    part = train(corpus.select(rest), wanted, dev=corpus.select(held), store=store)
    assert whole.thresholds == part.thresholds
    assert whole.thresholds is not None
    assert whole.thresholds["fear"] < whole.thresholds["joy"]
    assert whole.history == part.history
    plain = train(corpus, recipe(tiny_bert, **by_gradient, thresholds=False), store=store)
    assert plain.thresholds is None
    assert all((plain.head.state_dict()[name] == of).all() for name, of in whole.head.state_dict().items())


def test_without_dev_clips_there_are_none_and_that_is_told_by_name(tiny_bert: Path, tmp_path: Path) -> None:
    # before anything is loaded: there is no such model
    by_a_part = {"text": {"model": "nowhere"}, "selection": Selection(folds=1)}
    wanted = recipe(tiny_bert, dev_fraction=0).model_copy(update=by_a_part)
    for fails in (train, crossval):
        with pytest.raises(InputError, match=r"^training\.thresholds needs dev clips"):
            fails(spoken(), wanted, store=FeatureStore(tmp_path))
    alone = Corpus([Clip("a", transcription="hola", label="joy"), Clip("b", transcription="sí", label="fear")])
    with pytest.raises(InputError, match="no dev part can be held out"):
        train(alone, recipe(tiny_bert), store=FeatureStore(tmp_path))


def test_cross_validation_fits_each_fold_s_own_and_never_to_what_it_tests(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    result = crossval(spoken(), recipe(tiny_bert), folds=4, seeds=2, store=store)
    rows = result.predictions["t"]
    of_runs = [[row for row in rows if row["seed"] == seed] for seed in (0, 1)]
    scores = [f1_score([r["label"] for r in run], [r["predicted"] for r in run], average="macro") for run in of_runs]
    assert result.results["macro_f1"]["value"] == pytest.approx(np.mean(scores))
    assert result.results["macro_f1"]["value"] > 0.6
    plain = crossval(spoken(), recipe(tiny_bert, thresholds=False), folds=4, seeds=1, store=store).results
    assert plain["macro_f1"]["value"] < 0.5
    assert all(fit["thresholds"] is None for fit in plain["history"])
    for row in rows:
        (fit,) = (fit for fit in result.results["history"] if (fit["fold"], fit["seed"]) == (row["fold"], row["seed"]))
        multiples = {label: row[f"score_{label}"] / value for label, value in fit["thresholds"].items()}
        assert row["predicted"] == max(multiples, key=lambda label: multiples[label])
    # with every label of the first fold changed, its thresholds stay
    tested = set(result.results["folds"][0]["groups"])
    turned = [replace(c, label={"joy": "fear", "fear": "joy"}[c.label or ""]) for c in spoken() if c.speaker in tested]
    others = [clip for clip in spoken() if clip.speaker not in tested]
    changed = crossval(Corpus([*others, *turned]), recipe(tiny_bert), folds=4, seeds=1, store=store).results
    before, after = result.results["history"], changed["history"]
    assert before[0]["thresholds"] == after[0]["thresholds"]
