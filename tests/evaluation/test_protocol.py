"""Protocols: which clips are tested and trained on, what is said of it, and what cannot be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, crossval
from emovoz.corpus import grouped_folds
from emovoz.evaluation.protocol import Cut, cut_of, tell_cost

WORDS = {"joy": "qué alegría", "fear": "miedo no", "anger": "la casa"}


def crossed(speakers: int = 6, sentences: int = 5, missing: set[tuple[int, int]] | None = None) -> Corpus:
    """Every speaker says every sentence in each of three labels, but for the missing ones."""
    return Corpus(
        [
            Clip(f"s{s}-t{t}-{label}", transcription=words, label=label, speaker=f"s{s}", extra={"sentence": f"t{t}"})
            for s in range(speakers)
            for t in range(sentences)
            for label, words in WORDS.items()
            if (s, t) not in (missing or set())
        ]
    )


def recipe(tiny_bert: Path, **training: Any) -> Recipe:
    text = {"model": str(tiny_bert)}
    return Recipe.checked({"name": "tiny", "text": text, "training": {"epochs": 1, "keep": "last", **training}})


def of(corpus: Corpus, positions: list[int], column: str) -> set[str]:
    return set(corpus.select(positions).values(column))


@pytest.mark.parametrize("missing", [None, {(0, 0), (3, 0), (1, 2)}])
def test_crossed_folds_test_every_clip_once_and_train_on_neither_group(missing: Any) -> None:
    corpus = crossed(missing=missing)
    cut = cut_of(corpus, [3, 5], ["speaker", "sentence"])
    assert sorted(i for fold in cut.folds for i in fold.test) == list(range(len(corpus)))
    for fold in cut.folds:
        for column in ("speaker", "sentence"):
            assert not of(corpus, fold.test, column) & of(corpus, fold.train, column)
        # and on all that share neither
        apart = [
            i
            for i, clip in enumerate(corpus)
            if clip.speaker not in fold.groups["speaker"] and clip.value("sentence") not in fold.groups["sentence"]
        ]
        assert fold.train == apart


def test_combinations_without_a_clip_are_no_folds() -> None:
    corpus = crossed(missing={(0, 0), (3, 0), (1, 2)})
    # speakers 0 and 3 make one part, and never say sentence 0
    assert len(cut_of(corpus, [3, 5], ["speaker", "sentence"]).folds) == 14


def test_one_column_is_cut_as_ever() -> None:
    corpus = crossed()
    for folds in (2, 4, 6):
        cut = cut_of(corpus, folds, "speaker")
        assert [fold.test for fold in cut.folds] == grouped_folds(corpus, "speaker", folds)
        assert all(sorted(fold.test + fold.train) == list(range(len(corpus))) for fold in cut.folds)


@pytest.mark.parametrize(
    ("folds", "expected"),
    [
        (None, {"speaker": 5, "sentence": 5}),
        (3, {"speaker": 3, "sentence": 5}),
        ("all", {"speaker": 6, "sentence": 5}),
        ("4,2", {"speaker": 4, "sentence": 2}),
        ([2, "all"], {"speaker": 2, "sentence": 5}),
        ("all, all", {"speaker": 6, "sentence": 5}),
    ],
)
def test_folds_are_given_for_the_first_column_or_for_each(folds: Any, expected: dict[str, int]) -> None:
    assert cut_of(crossed(), folds, "speaker,sentence").columns == expected


def test_all_leaves_out_one_group_at_a_time() -> None:
    cut = cut_of(crossed(speakers=7), "all", "speaker")
    assert [fold.groups for fold in cut.folds] == [{"speaker": [f"s{i}"]} for i in range(7)]
    assert told(cut)["name"] == "leave-one-group-out"


def told(cut: Cut, recipe: str = "speech-gradient", **training: Any) -> dict[str, Any]:
    return cut.told(Recipe.load(recipe, [f"training.{key}={value}" for key, value in training.items()]), 2)


def test_the_protocol_tells_columns_fits_and_clips() -> None:
    protocol = told(cut_of(crossed(), "3,5", "speaker,sentence"))
    assert protocol["name"] == "crossed leave-groups-out"
    assert protocol["group"] == "speaker,sentence"
    assert protocol["folds_by_column"] == {"speaker": 3, "sentence": 5}
    assert (protocol["folds"], protocol["seeds"], protocol["fits"]) == (15, 2, 30)
    # 4 of 6 speakers, 4 of 5 sentences, 3 labels
    assert protocol["training_clips"] == [48, 48]
    single = told(cut_of(crossed(), 4, "speaker"))
    assert (single["name"], single["group"], single["fits"]) == ("leave-groups-out", "speaker", 8)
    assert single["training_clips"] == [60, 75]


def test_the_protocol_tells_what_was_selected_within_the_training_clips() -> None:
    cut, by = cut_of(crossed(), 3, "speaker"), "by clips held out of the training clips"
    assert told(cut)["selection"] is None
    assert told(cut, keep="best")["selection"] == f"nested: epoch {by}"
    assert told(cut, thresholds="true")["selection"] == f"nested: thresholds {by}"
    assert told(cut, "speech")["selection"] == f"nested: settings, temperature {by}"


def test_the_cost_is_told(shown: Callable[[], str]) -> None:
    tell_cost(cut_of(crossed(), "3,5", "speaker,sentence"), 2, 3)
    line = shown()
    assert "15 folds (3 of speaker x 5 of sentence" in line
    assert "x 2 seeds x 3 recipes: 90 fits, each on 48 clips" in line
    tell_cost(cut_of(crossed(), 4, "speaker"), 1, 1)
    assert "4 folds x 1 seed: 4 fits, each on 60 to 75 clips" in shown()


@pytest.mark.parametrize(
    ("folds", "group", "fault"),
    [
        ("many", "speaker", "folds 'many': give a number, or all"),
        ("1", "speaker", "1 folds cannot be made of 6 groups of 'speaker'"),
        ("3,9", "speaker,sentence", "9 folds cannot be made of 5 groups of 'sentence'"),
        ("3,2,2", "speaker,sentence", "one for each, or one alone, which is for speaker"),
        (3, "speaker,speaker", "named once each"),
        (3, "speaker,room", "no column 'room'"),
    ],
)
def test_folds_that_cannot_be_are_refused(folds: Any, group: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        cut_of(crossed(), folds, group)


def test_all_folds_need_a_column() -> None:
    clips = [Clip(clip.id, transcription=clip.transcription, label=clip.label) for clip in crossed()]
    with pytest.raises(InputError, match="name it with --group"):
        cut_of(Corpus(clips), "all")


def test_a_fold_that_leaves_one_label_to_train_on_is_refused() -> None:
    one_each = Corpus([Clip(label, transcription="sí", label=label, speaker=label) for label in ("joy", "fear")])
    with pytest.raises(InputError, match=r"fold 0 \(speaker fear\) leaves only joy to train on"):
        cut_of(one_each, 2, "speaker")
    with pytest.raises(InputError, match=r"fold 1 \(speaker s0; sentence t1\) leaves nothing to train on"):
        cut_of(crossed(speakers=2, sentences=2, missing={(1, 0)}), 2, "speaker,sentence")


def test_crossed_results_list_the_groups_of_both_columns(tiny_bert: Path, tmp_path: Path) -> None:
    result = crossval(
        crossed(4, 4), recipe(tiny_bert), folds="2,2", group="speaker,sentence", seeds=2, store=FeatureStore(tmp_path)
    )
    folds = result.results["folds"]
    assert folds[1]["groups"] == {"speaker": ["s0", "s2"], "sentence": ["t1", "t3"]}
    assert [(fold["n"], fold["training_clips"]) for fold in folds] == [(12, 12)] * 4
    # every clip once a seed
    assert (
        len({(row["seed"], row["id"]) for row in result.predictions["tiny"]}) == len(result.predictions["tiny"]) == 96
    )
    assert result.results["n"] == 48


def test_a_sentence_that_contradicts_all_others_is_never_learned(tiny_bert: Path, tmp_path: Path) -> None:
    # whoever says t1 says the words of another label; heads that had heard it from other speakers would be torn
    turned = dict(zip(WORDS, [*list(WORDS.values())[1:], WORDS["joy"]], strict=True))
    clips = [
        Clip(c.id, transcription=turned[c.label or ""], label=c.label, speaker=c.speaker, extra=c.extra)
        if c.value("sentence") == "t1"
        else c
        for c in crossed(4, 4)
    ]
    model = {"layer_mix": "concatenate", "layer_norm": False, "pooling": "mean", "hidden_layers": 0}
    exact = Recipe.checked(
        {"text": {"model": str(tiny_bert)}, "model": model, "training": {"method": "logistic_regression"}}
    )
    results = crossval(
        Corpus(clips), exact, folds="2,all", group=["speaker", "sentence"], seeds=1, store=FeatureStore(tmp_path)
    ).results
    scores = {(tuple(f["groups"]["speaker"]), *f["groups"]["sentence"]): f["accuracy"] for f in results["folds"]}
    assert {name: score for name, score in scores.items() if name[1] == "t1"} == {
        (("s0", "s2"), "t1"): 0.0,
        (("s1", "s3"), "t1"): 0.0,
    }
    assert np.mean([score for name, score in scores.items() if name[1] != "t1"]) == 1.0


def test_scores_by_fold_are_summed_up(tiny_bert: Path, tmp_path: Path) -> None:
    results = crossval(crossed(), recipe(tiny_bert), folds="all", seeds=2, store=FeatureStore(tmp_path)).results
    assert len(results["folds"]) == 6
    for name in ("macro_f1", "uar", "accuracy"):
        values = [fold[name] for fold in results["folds"]]
        assert results["by_fold"][name]["mean"] == pytest.approx(np.mean(values))
        assert results["by_fold"][name]["sd"] == pytest.approx(np.std(values, ddof=1))
    # folds of as many clips: the mean accuracy is the pooled one
    assert results["by_fold"]["accuracy"]["mean"] == pytest.approx(results["accuracy"]["value"])
    assert "ci95: over clips; ci95_speakers: over whole speakers" in results["protocol"]["interval"]
    low, high = results["accuracy"]["ci95_speakers"]
    assert low <= results["accuracy"]["value"] <= high
