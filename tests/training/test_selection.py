"""Selection: settings chosen within the training clips, told with all that was tried, and never by what is tested."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Recognizer, crossval, train
from emovoz.corpus import held_out
from emovoz.features import FrozenEncoders, features_of
from helpers import emovoz, write_manifest
from noisy_words import closed, noisy

GRID = {"training.regularisation": [1e-6, 0.03, 1e4]}


def values(selected: dict[str, Any] | None) -> list[float]:
    assert selected is not None
    return [one["macro_f1"] for one in selected["candidates"]]


def test_every_candidate_is_scored_as_scikit_learn_scores_it_and_the_best_is_taken(
    tiny_bert: Path, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path)
    corpus = noisy()
    recognizer = train(corpus, closed(tiny_bert, {"grid": GRID, "folds": 4}), store=store)
    features, _ = features_of(corpus, recognizer.encoders, store)
    pooled = np.array([clip.by_modality["text"].double().mean(1).flatten().numpy() for clip in features])
    labels = np.array(corpus.values("label"))
    speakers = corpus.values("speaker")
    expected = []
    for strength in GRID["training.regularisation"]:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=5000))
        folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
        found = cross_val_predict(model, pooled, labels, groups=speakers, cv=folds)
        expected.append(f1_score(labels, found, average="macro"))
    assert values(recognizer.selected) == pytest.approx(expected, abs=1e-3)
    assert recognizer.selected is not None
    best = GRID["training.regularisation"][int(np.argmax(values(recognizer.selected)))]
    assert recognizer.selected["settings"] == {"training.regularisation": best}
    assert recognizer.selected["macro_f1"] == max(values(recognizer.selected))
    assert (recognizer.selected["by"], recognizer.selected["clips"]) == ("4 inner folds", len(corpus))
    assert recognizer.recipe.training.regularisation == best


def test_of_equally_good_ones_the_first_is_taken(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    plain = Corpus(
        [
            Clip(f"{i}", transcription=("hola", "miedo")[i % 2], label=("joy", "fear")[i % 2], speaker=f"s{i // 8}")
            for i in range(40)
        ]
    )
    for order in ([1.0, 0.5], [0.5, 1.0]):
        grid = {"training.regularisation": order, "text.layers": [[2], [0]]}
        recognizer = train(plain, closed(tiny_bert, {"grid": grid}), store=store)
        assert values(recognizer.selected) == [1.0] * 4
        assert recognizer.recipe.chosen == {"training.regularisation": order[0], "text.layers": [2]}


def test_what_a_fold_selects_and_how_it_is_calibrated_never_depends_on_what_it_tests(
    tiny_bert: Path, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path)
    recipe = closed(tiny_bert, {"grid": GRID})
    before = crossval(noisy(), recipe, folds=4, seeds=1, store=store)
    tested = set(before.results["folds"][0]["groups"])
    other = {"joy": "fear", "fear": "joy"}
    turned = [replace(c, label=other[c.label or ""]) if c.speaker in tested else c for c in noisy()]
    after = crossval(Corpus(turned), recipe, folds=4, seeds=1, store=store)
    assert before.results["history"][0] == after.results["history"][0]
    assert before.results["history"][0]["selected"]["clips"] == 120
    # and it does depend on what it learns from
    assert before.results["history"][1] != after.results["history"][1]

    def scores(rows: Sequence[dict[str, Any]]) -> list[float]:
        return [row["score_joy"] for row in rows if row["fold"] == 0]

    assert scores(before.predictions["closed"]) == scores(after.predictions["closed"])


def test_a_fold_of_a_cross_validation_is_what_train_makes_of_its_training_clips(
    tiny_bert: Path, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path / "store")
    grid = {"text.layers": [[0], [2], [0, 2]], **GRID}
    recipe = closed(tiny_bert, {"grid": grid, "folds": 3}, thresholds=True)
    result = crossval(noisy(), recipe, folds=4, seeds=1, store=store)
    for fold, fit in zip(result.results["folds"], result.results["history"], strict=True):
        test = Corpus([clip for clip in noisy() if clip.speaker in fold["groups"]])
        rest = Corpus([clip for clip in noisy() if clip.speaker not in fold["groups"]])
        recognizer = train(rest, recipe, store=store)
        assert (recognizer.selected, recognizer.temperature) == (fit["selected"], fit["temperature"])
        assert recognizer.thresholds == fit["thresholds"]
        assert len(fit["selected"]["candidates"]) == 9
        rows = {row["id"]: row for row in result.predictions["closed"]}
        for one in recognizer.predict(test):
            assert one.scores is not None
            assert one.scores["joy"] == pytest.approx(rows[one.id]["score_joy"], abs=1e-4)


def test_given_dev_clips_take_the_place_of_the_folds(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    dev = noisy(seed=3, speakers=2)
    recognizer = train(noisy(), closed(tiny_bert, {"grid": GRID}), dev=dev, store=store)
    assert recognizer.selected is not None
    assert (recognizer.selected["by"], recognizer.selected["clips"]) == ("the dev clips", len(dev))
    for strength, score in zip(GRID["training.regularisation"], values(recognizer.selected), strict=True):
        alone = train(noisy(), closed(tiny_bert, regularisation=strength, temperature=False), store=store)
        found = [one.label for one in alone.predict(dev)]
        assert score == pytest.approx(f1_score(dev.values("label"), found, average="macro"))


@pytest.mark.parametrize("keep", ["best", "last"])
def test_heads_fitted_by_gradient_are_chosen_on_one_part_held_out(tiny_bert: Path, tmp_path: Path, keep: str) -> None:
    store = FeatureStore(tmp_path)
    settings: dict[str, Any] = {"method": "gradient", "epochs": 4, "keep": keep, "regularisation": 1}
    grid = {"training.learning_rate": [1e-7, 0.03]}
    recognizer = train(noisy(), closed(tiny_bert, {"grid": grid}, **settings), store=store)
    _, held = held_out(noisy(), 0.15, seed=0)
    assert recognizer.selected is not None
    assert recognizer.selected["settings"] == {"training.learning_rate": 0.03}
    assert (recognizer.selected["by"], recognizer.selected["clips"]) == ("a part held out", len(held))
    alone = train(noisy(), closed(tiny_bert, **settings, learning_rate=0.03), store=store)
    assert all((alone.head.state_dict()[name] == of).all() for name, of in recognizer.head.state_dict().items())
    assert recognizer.history == alone.history


def test_heads_fitted_by_gradient_may_be_chosen_in_folds_too(tiny_bert: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"method": "gradient", "epochs": 2, "regularisation": 1}
    selection = {"grid": {"training.learning_rate": [1e-7, 0.03]}, "folds": 3}
    recognizer = train(noisy(), closed(tiny_bert, selection, **settings), store=FeatureStore(tmp_path))
    assert recognizer.selected is not None
    assert (recognizer.selected["by"], recognizer.selected["clips"]) == ("3 inner folds", len(noisy()))
    assert recognizer.recipe.training.learning_rate == 0.03


def test_clips_are_encoded_once_for_all_choices_of_layers(tiny_bert: Path, tmp_path: Path) -> None:
    recipe = closed(tiny_bert, {"grid": {"text.layers": [[2], [0, 1], [1]]}})
    each = FrozenEncoders.of_each(recipe.candidates())
    assert len({id(one.branches["text"].encoder) for one in each}) == 1
    store = FeatureStore(tmp_path)
    texts = {clip.transcription for clip in noisy()}
    _, first = features_of(noisy(), each[0], store)
    assert first.encoded == {"text": len(texts)}
    for one in each[1:]:
        assert features_of(noisy(), one, store)[1].encoded == {"text": 0}


def test_a_saved_model_has_what_was_chosen_and_goes_through_the_grid_again(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    trained = train(noisy(), closed(tiny_bert, {"grid": GRID}), store=store)
    trained.save_pretrained(tmp_path / "model")
    recipe = Recipe.load(tmp_path / "model")
    assert recipe.chosen == trained.recipe.chosen
    assert recipe.selection.grid == GRID
    train(noisy(), recipe, store=store).save_pretrained(tmp_path / "again")
    for file in (tmp_path / "model").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
    assert Recognizer.from_pretrained(tmp_path / "model").selected == trained.selected


def test_the_command_line_tells_what_was_selected(tiny_bert: Path, tmp_path: Path) -> None:
    rows = [
        {"id": c.id, "transcription": c.transcription or "", "label": c.label or "", "speaker": c.speaker or ""}
        for c in noisy()
    ]
    manifest = write_manifest(tmp_path / "m.csv", rows)
    (tmp_path / "mine.yaml").write_text(closed(tiny_bert, {"grid": GRID}).to_yaml())
    common = ["--recipe", str(tmp_path / "mine.yaml"), "--store", str(tmp_path / "store")]
    done = emovoz("train", str(manifest), *common, "--out", str(tmp_path / "model"))
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "model" / "recognizer.json").read_text())
    chosen = card["selected"]["settings"]["training.regularisation"]
    score = card["selected"]["macro_f1"]
    line = f"selected: training.regularisation={chosen}, of 3 by macro-F1 {score:.3f} on 160 clips (5 inner folds)"
    assert line in done.stdout.splitlines()
    assert f"temperature: {card['temperature']:.2f}" in done.stdout.splitlines()
    done = emovoz("crossval", str(manifest), *common, "--folds", "4", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert "closed selected training.regularisation=" in done.stdout
    assert " of 4 fits" in done.stdout


@pytest.mark.parametrize(
    ("grid", "fault"),
    [
        ({"training.regularisaton": [1]}, r"=1: training.regularisaton: no such setting; did you mean"),
        ({"training.regularisation": [1, 0]}, r"=0: training.regularisation: .* \(given: 0\)"),
        ({"training.regularisation": [1, 1]}, "training.regularisation has a value twice"),
        ({"training.regularisation": []}, "should have at least 1 item"),
        ({"model.hidden_layers": [0, 1]}, r"=1: training.method logistic_regression can fit the last layer only"),
        ({"training.seed": [0, 1]}, "training.seed cannot be chosen; .* not training.seed, "),
        ({"evaluation.seed": [0, 1]}, "evaluation.seed cannot be chosen"),
        ({"text": [None]}, "text cannot be chosen"),
    ],
    ids=str,
)
def test_every_combination_is_checked_before_anything_is_loaded(grid: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=f"^recipe closed: selection.grid.*{fault}"):
        closed(Path("nowhere"), {"grid": grid})


def test_a_fault_of_many_combinations_is_told_once() -> None:
    with pytest.raises(InputError) as caught:
        closed(Path("nowhere"), {"grid": {"model.pooling": ["attention", "mean"], "training.regularisation": [1, 2]}})
    assert len(caught.value.faults) == 2
    assert all(fault.startswith("recipe closed: selection.grid, model.pooling=att") for fault in caught.value.faults)


def test_without_clips_to_hold_out_nothing_can_be_chosen(tiny_bert: Path, tmp_path: Path) -> None:
    recipe = closed(tiny_bert, {"grid": GRID, "folds": 1}, dev_fraction=0)
    for fails in (train, crossval):
        with pytest.raises(InputError, match=r"^selection needs dev clips: give some, or .* selection.folds to 2"):
            fails(noisy(), recipe, store=FeatureStore(tmp_path))
    with pytest.raises(InputError, match=r"selection\.folds needs a selection\.grid"):
        closed(tiny_bert, {"folds": 3}, temperature=False)
