"""Cross-validation: every clip scored once a seed, by a head that never saw its group."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, crossval
from emovoz.features import FrozenEncoders

WORDS = {"joy": "qué alegría", "fear": "miedo no", "anger": "la casa"}


@pytest.fixture(scope="module")
def recipe(tiny_bert: Path) -> Recipe:
    settings = {"name": "tiny", "text": {"model": str(tiny_bert)}, "training": {"epochs": 3, "keep": "last"}}
    return Recipe.checked(settings)


def corpus(strange: str | None = None) -> Corpus:
    """Nine speakers; with `strange`, that speaker's labels contradict everybody else's."""
    labels = list(WORDS)
    clips = []
    for speaker in range(9):
        for i, label in enumerate(labels):
            name = f"s{speaker}"
            said = labels[(i + 1) % 3] if name == strange else label
            clips.append(Clip(f"{name}-{label}", transcription=WORDS[said], label=label, speaker=name))
    return Corpus(clips)


def test_folds_and_scores(recipe: Recipe, tmp_path: Path) -> None:
    result = crossval(corpus(), recipe, folds=4, seeds=2, store=FeatureStore(tmp_path / "store"))
    result.save(tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    dealt = [["s0", "s4", "s8"], ["s1", "s5"], ["s2", "s6"], ["s3", "s7"]]
    assert [fold["groups"] for fold in results["folds"]] == dealt
    assert results["protocol"]["group"] == "speaker"
    assert [seed["seed"] for seed in results["seeds"]] == [0, 1]
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 27
    runs = [[row for row in rows if row["seed"] == seed] for seed in "01"]
    scores = [f1_score([r["label"] for r in run], [r["predicted"] for r in run], average="macro") for run in runs]
    assert results["macro_f1"]["value"] == pytest.approx(np.mean(scores))
    assert [seed["macro_f1"] for seed in results["seeds"]] == pytest.approx(scores)
    low, high = results["macro_f1"]["ci95"]
    assert low <= results["macro_f1"]["value"] <= high
    assert (tmp_path / "report.html").is_file()
    for told in results["speakers"]:
        own = [[row for row in run if row["id"].startswith(f"{told['speaker']}-")] for run in runs]
        right = [accuracy_score([r["label"] for r in run], [r["predicted"] for r in run]) for run in own]
        # every speaker has a clip of each label, so the mean recall is the accuracy
        assert (told["n"], told["accuracy"], told["uar"]) == (3, pytest.approx(np.mean(right)), told["accuracy"])
    assert [told["speaker"] for told in results["speakers"]] == [f"s{i}" for i in range(9)]
    of_truth: dict[str, list[float]] = {}
    for row in rows:
        of_truth.setdefault(row["id"], []).append(float(row[f"score_{row['label']}"]))
    least = sorted(float(np.mean(chances)) for chances in of_truth.values())[:20]
    assert [clip["label_probability"] for clip in results["hardest"]] == pytest.approx(least)


def test_a_speaker_who_contradicts_all_others_is_never_learned(recipe: Recipe, tmp_path: Path) -> None:
    model = {"layer_mix": "concatenate", "layer_norm": False, "pooling": "mean", "hidden_layers": 0}
    closed = {"method": "logistic_regression"}
    exact = Recipe.checked({"text": recipe.text, "model": model, "training": closed})
    result = crossval(corpus("s3"), exact, folds=9, seeds=1, store=FeatureStore(tmp_path))
    right = {fold["groups"][0]: fold["macro_f1"] for fold in result.results["folds"]}
    assert right["s3"] == 0
    assert np.mean([score for name, score in right.items() if name != "s3"]) > 0.9


def test_several_recipes_share_the_folds(recipe: Recipe, tmp_path: Path) -> None:
    other = recipe.model_copy(update={"name": "other"})
    result = crossval(corpus(), [recipe, other], folds=3, seeds=1, store=FeatureStore(tmp_path))
    runs = result.results["runs"]
    assert list(runs) == ["tiny", "other"]
    assert runs["tiny"]["folds"] == runs["other"]["folds"]
    assert runs["tiny"]["macro_f1"] == runs["other"]["macro_f1"]


def test_recipes_in_a_row_that_share_their_encoders_load_them_once(
    recipe: Recipe, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, loaded = FrozenEncoders.of, []

    def counted(wanted: Recipe) -> FrozenEncoders:
        loaded.append(wanted.name)
        return load(wanted)

    monkeypatch.setattr(FrozenEncoders, "of", counted)
    other = Recipe.checked(recipe.model_dump() | {"name": "other", "model": {"pooling": "mean"}})
    crossval(corpus(), [recipe, other], folds=2, seeds=1, store=FeatureStore(tmp_path))
    assert len(loaded) == 1
    loaded.clear()
    last = Recipe.checked(recipe.model_dump() | {"name": "last", "text": {"model": str(tiny_bert), "layers": [0]}})
    crossval(corpus(), [recipe, other, last], folds=2, seeds=1, store=FeatureStore(tmp_path))
    assert loaded == ["last", "other", "last"]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"text": {"model": "./nowhere"}}, "no encoder './nowhere'"),
        ({"augmentation": {"views": 1, "noise": {"source": "nowhere"}}}, "nowhere: no such folder"),
    ],
)
def test_what_the_last_recipe_lacks_is_told_before_the_first_runs(
    recipe: Recipe, tiny_whisper: Path, tmp_path: Path, settings: dict[str, Any], fault: str
) -> None:
    last = Recipe.checked({"name": "last", "speech": {"model": str(tiny_whisper)}, **settings})
    with pytest.raises(InputError, match=fault):
        crossval(corpus(), [recipe, last], folds=3, seeds=1, store=FeatureStore(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_without_speakers_folds_are_stratified(recipe: Recipe, tmp_path: Path) -> None:
    clips = [Clip(c.id, transcription=c.transcription, label=c.label) for c in corpus()]
    results = crossval(Corpus(clips), recipe, seeds=1, store=FeatureStore(tmp_path)).results
    assert results["protocol"]["name"] == "stratified k-fold"
    assert [fold["n"] for fold in results["folds"]] == [6, 6, 5, 5, 5]


def test_impossible_demands_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="10 folds"):
        crossval(corpus(), recipe, folds=10, store=FeatureStore(tmp_path))
    with pytest.raises(InputError, match="sentence"):
        crossval(corpus(), recipe, group="sentence", store=FeatureStore(tmp_path))
    with pytest.raises(InputError, match="different names"):
        crossval(corpus(), [recipe, recipe], store=FeatureStore(tmp_path))
    with pytest.raises(InputError, match="at least two labels"):
        crossval(Corpus([clip for clip in corpus() if clip.label == "joy"]), recipe, store=FeatureStore(tmp_path))


@pytest.mark.parametrize(
    ("section", "settings", "fault"),
    [
        ("text", {"layers": [99]}, "hidden states"),
        ("model", {"pooling": "multi_head_attention", "pooling_heads": 7}, "does not divide"),
    ],
)
def test_a_recipe_that_cannot_be_is_told_before_the_others_are_trained(
    recipe: Recipe, tmp_path: Path, section: str, settings: dict[str, Any], fault: str
) -> None:
    given = recipe.model_dump()
    other = Recipe.checked({**given, "name": "other", section: {**given[section], **settings}})
    with pytest.raises(InputError, match=fault):
        crossval(corpus(), [recipe, other], seeds=1, store=FeatureStore(tmp_path))
    assert not list(tmp_path.rglob("*.safetensors"))
