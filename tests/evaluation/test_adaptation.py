"""Speaker adaptation under test: enrolment is heard and not scored, and the more of it the better."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from emovoz import Corpus, FeatureStore, InputError, crossval, evaluate, train
from emovoz.corpus.enrolment import enrolment_of
from voices import plain_recipe, voices


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


def results(store: FeatureStore, adapt: Any, **more: Any) -> dict[str, Any]:
    return crossval(voices(), plain_recipe(adapt=adapt), store=store, folds=3, seeds=2, **more).results


def test_voices_that_hide_the_emotion_are_seen_through(store: FeatureStore) -> None:
    value = {adapt: results(store, adapt)["macro_f1"]["value"] for adapt in ("none", 3, "all")}
    assert value["all"] > 0.8
    assert value["none"] < value[3] - 0.1 < value["all"]


def test_enrolled_clips_are_scored_nowhere(store: FeatureStore, tmp_path: Path) -> None:
    clips, recipe = voices(), plain_recipe(adapt=3)
    result = crossval(clips, recipe, store=store, folds=3, seeds=2)
    result.save(tmp_path)
    told = json.loads((tmp_path / "results.json").read_text())
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    for seed in (0, 1):
        run = [row for row in rows if row["seed"] == str(seed)]
        enrolled = {clips.clips[i].id for own in enrolment_of(clips, 3, seed).values() for i in own}
        assert {row["id"] for row in run} == {clip.id for clip in clips} - enrolled
        score = f1_score([row["label"] for row in run], [row["predicted"] for row in run], average="macro")
        assert told["seeds"][seed]["macro_f1"] == pytest.approx(score)
    assert told["macro_f1"]["value"] == pytest.approx(np.mean([seed["macro_f1"] for seed in told["seeds"]]))
    low, high = told["macro_f1"]["ci95"]
    assert low <= told["macro_f1"]["value"] <= high
    # 12 clips of each of 6 speakers
    assert (told["n"], told["data"]["n"]) == (6 * 9, 6 * 12)
    assert [speaker["n"] for speaker in told["speakers"]] == [9] * 6
    assert [fold["n"] for fold in told["folds"]] == [18] * 3
    assert np.sum(told["confusion"]) == pytest.approx(54)
    assert sum(bin["n"] for bin in told["reliability"]) == pytest.approx(54)
    assert told["protocol"]["adapt"] == 3
    assert told["protocol"]["adapt_prior_clips"] == 3
    assert told["recipe"]["training"]["adapt"] == 3


def test_all_clips_are_scored_where_all_enrol(store: FeatureStore) -> None:
    told = results(store, "all")
    assert told["n"] == 72
    assert told["protocol"]["adapt"] == "all"


def test_labels_of_enrolled_clips_change_nothing(store: FeatureStore) -> None:
    clips = voices(4)
    recognizer = train(clips, plain_recipe(adapt="all"), store=store)
    test = voices(2, seed=7)
    drawn = {i for own in enrolment_of(test, 3, 0).values() for i in own}
    blind = Corpus([replaced(clip, None) if i in drawn else clip for i, clip in enumerate(test.clips)])
    told, unlabelled = (evaluate(recognizer, of, adapt=3, store=store) for of in (test, blind))
    assert told.predictions == unlabelled.predictions
    assert told.results["macro_f1"] == unlabelled.results["macro_f1"]
    assert len(told.predictions) == 2 * 9
    with pytest.raises(InputError, match="labels every clip, but 6 were drawn"):
        told.save_submission("submission.csv")


def replaced(clip: Any, label: str | None) -> Any:
    from dataclasses import replace

    return replace(clip, label=label)


def test_other_test_speakers_change_nothing(store: FeatureStore) -> None:
    recognizer = train(voices(4), plain_recipe(adapt="all"), store=store)
    test = voices(3, seed=7)
    alone = Corpus([clip for clip in test if clip.speaker == "s1"])
    for adapt in ("all", 3):
        together = evaluate(recognizer, test, adapt=adapt, store=store).predictions
        by_itself = evaluate(recognizer, alone, adapt=adapt, store=store).predictions
        own = [row for row in together if row["id"].startswith("s1-")]
        assert [row["id"] for row in own] == [row["id"] for row in by_itself]
        for one, other in zip(own, by_itself, strict=True):
            assert [one[f"score_{label}"] for label in ("anger", "joy")] == pytest.approx(
                [other[f"score_{label}"] for label in ("anger", "joy")], abs=1e-6
            )


@pytest.mark.parametrize("adapt", ["none", "all"])
def test_a_model_adapts_whether_or_not_it_was_trained_to(store: FeatureStore, adapt: str) -> None:
    recognizer = train(voices(), plain_recipe(adapt=adapt), store=store)
    test = voices(6, seed=7)
    score = {
        known: evaluate(recognizer, test, adapt=known, store=store).results["macro_f1"]["value"]
        for known in ("none", "all")
    }
    assert score["all"] > score["none"] + 0.1


def test_recipes_are_compared_on_the_clips_that_both_score(store: FeatureStore) -> None:
    recipes = [plain_recipe(), plain_recipe(adapt=3).model_copy(update={"name": "adapted"})]
    result = crossval(voices(), recipes, store=store, folds=3, seeds=2)
    (pair,) = result.results["comparisons"]
    rows = {name: {(row["seed"], row["id"]): row for row in of} for name, of in result.predictions.items()}
    assert Counter(name for name, of in rows.items() for _ in of) == {"plain": 144, "adapted": 108}
    both = sorted(rows["adapted"])
    scores = {
        name: np.mean(
            [
                f1_score(
                    [of[key]["label"] for key in both if key[0] == seed],
                    [of[key]["predicted"] for key in both if key[0] == seed],
                    average="macro",
                )
                for seed in (0, 1)
            ]
        )
        for name, of in rows.items()
    }
    assert pair["difference"]["value"] == pytest.approx(scores["plain"] - scores["adapted"])
    low, high = pair["difference"]["ci95"]
    assert low <= pair["difference"]["value"] <= high < 0


def test_what_cannot_be_is_told_before_anything_is_encoded(store: FeatureStore, tmp_path: Path) -> None:
    untouched = FeatureStore(tmp_path / "store")
    with pytest.raises(InputError, match="72 of 72 clips name none"):
        crossval(voices(named=False), plain_recipe(adapt="all"), store=untouched)
    with pytest.raises(InputError, match="72 of 72 clips name none"):
        train(voices(named=False), plain_recipe(adapt=3), store=untouched)
    with pytest.raises(InputError, match="speaker s0 has 12 clips: 12 to enrol"):
        crossval(voices(), plain_recipe(adapt=12), store=untouched)
    assert not (tmp_path / "store").exists()
    recognizer = train(voices(2), plain_recipe(), store=store)
    with pytest.raises(InputError, match="name none"):
        evaluate(recognizer, voices(2, named=False), adapt="all", store=store)
