"""What lies behind the scores: speakers agree with scikit-learn, the hardest clips with a plain sort."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from scipy.special import softmax
from sklearn.metrics import accuracy_score, recall_score

from emovoz import Clip, Corpus, FeatureStore, Recipe, Recognizer, crossval, evaluate, train
from emovoz.evaluation.breakdown import HARDEST, hardest_clips, layer_weights, named_weights, speaker_scores
from emovoz.evaluation.text import summary
from emovoz.features import FrozenEncoders
from emovoz.training import new_head

LABELS = ["anger", "fear", "joy", "sadness"]


def random_case(clips: int = 300, runs: int = 3) -> tuple[list[Clip], np.ndarray, np.ndarray]:
    """Clips of five speakers and of nobody, truth [clips] and probabilities [runs, clips, labels]."""
    random = np.random.default_rng(4)
    truth = random.integers(0, len(LABELS), clips)
    scores = random.dirichlet(np.ones(len(LABELS)), (runs, clips))
    scores[:, np.arange(clips), truth] += 0.3
    names = [None, "ana", "berta", "carlos", "diego", "eva"]
    speakers = [names[i] for i in random.integers(0, len(names), clips)]
    # the first two voices never show some of the labels
    for i, (speaker, label) in enumerate(zip(speakers, truth, strict=True)):
        truth[i] = {"ana": 2, "berta": label % 2}.get(speaker or "", label)
    made = [Clip(f"c{i:03d}", label=LABELS[truth[i]], speaker=speakers[i]) for i in range(clips)]
    return made, truth, scores / scores.sum(2, keepdims=True)


def test_speakers_score_as_scikit_learn_has_it_on_their_clips_alone() -> None:
    clips, truth, scores = random_case()
    predicted = scores.argmax(2)
    rows = speaker_scores(clips, truth, predicted, len(LABELS))
    assert [row["speaker"] for row in rows] == ["ana", "berta", "carlos", "diego", "eva"]
    for row in rows:
        own = np.array([clip.speaker == row["speaker"] for clip in clips])
        of_runs = [(truth[own], run[own]) for run in predicted]
        recalls = [recall_score(*pair, labels=np.unique(truth[own]), average="macro") for pair in of_runs]
        assert row["n"] == own.sum()
        assert row["accuracy"] == pytest.approx(np.mean([accuracy_score(*pair) for pair in of_runs]))
        assert row["uar"] == pytest.approx(np.mean(recalls))


def test_a_speaker_of_one_label_is_scored_on_that_label() -> None:
    clips = [Clip(f"c{i}", speaker="ana") for i in range(4)]
    (row,) = speaker_scores(clips, np.array([1, 1, 1, 1]), np.array([[1, 1, 1, 0]]), 3)
    assert row == {"speaker": "ana", "n": 4, "accuracy": 0.75, "uar": 0.75}


def test_where_nobody_is_named_there_are_no_speakers() -> None:
    assert speaker_scores([Clip("a"), Clip("b")], np.array([0, 1]), np.array([[0, 1]]), 2) == []


def test_hardest_clips_are_those_whose_true_label_got_least() -> None:
    clips, truth, scores = random_case()
    mean = scores.mean(0)
    rows = hardest_clips(clips, truth, mean, LABELS)
    of_truth = sorted((mean[i, truth[i]], f"c{i:03d}") for i in range(len(clips)))
    assert [(row["label_probability"], row["id"]) for row in rows] == of_truth[:HARDEST]
    for row in rows:
        i = int(row["id"].removeprefix("c"))
        assert row["predicted"] == LABELS[int(mean[i].argmax())]
        assert row["predicted_probability"] == mean[i].max()
        assert (row["label"], row["speaker"]) == (clips[i].label, clips[i].speaker)


def test_a_small_corpus_lists_each_clip_once_and_words_where_there_are_some() -> None:
    clips = [Clip("b", transcription="sí", label="joy"), Clip("a", transcription="", label="joy")]
    rows = hardest_clips(clips, np.array([1, 1]), np.array([[0.75, 0.25], [0.75, 0.25]]), ["fear", "joy"])
    assert [(row["id"], row["transcription"]) for row in rows] == [("a", None), ("b", "sí")]


def tiny(tiny_bert: Path, **model: Any) -> Recipe:
    text = {"model": str(tiny_bert), "layers": [0, 2]}
    return Recipe.checked({"name": "tiny", "text": text, "model": model, "training": {"epochs": 2, "keep": "last"}})


def spoken(speakers: int) -> Corpus:
    words = {"joy": "qué alegría", "fear": "miedo no", "anger": "la casa"}
    return Corpus(
        [
            Clip(f"s{i}-{label}", transcription=text, label=label, speaker=f"s{i}")
            for i in range(speakers)
            for label, text in words.items()
        ]
    )


def test_layer_weights_go_by_the_layers_of_the_encoder_and_by_the_fits_that_mix_them(tiny_bert: Path) -> None:
    encoders = FrozenEncoders.of(tiny(tiny_bert))
    assert named_weights(new_head(tiny(tiny_bert), encoders, ("fear", "joy")), encoders) == {"text": {0: 0.5, 2: 0.5}}
    rows = layer_weights([{"text": {0: 0.25, 2: 0.75}}, {"text": {0: 0.5, 2: 0.5}}, {"text": {1: 1.0}}])
    assert rows == {
        "text": [
            {"layer": 0, "weight": 0.375, "min": 0.25, "max": 0.5},
            {"layer": 1, "weight": 1.0, "min": 1.0, "max": 1.0},
            {"layer": 2, "weight": 0.625, "min": 0.5, "max": 0.75},
        ]
    }


def test_evaluate_tells_the_weights_that_the_model_has_saved(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    train(spoken(6), tiny(tiny_bert), store=store).save_pretrained(tmp_path / "model")
    results = evaluate(Recognizer.from_pretrained(tmp_path / "model"), spoken(3), store=store).results
    saved = load_file(tmp_path / "model" / "model.safetensors")
    (learned,) = (values for name, values in saved.items() if name.endswith("layer_weights"))
    assert learned.abs().max() > 0
    rows = results["layer_weights"]["text"]
    assert [row["layer"] for row in rows] == [0, 2]
    for row, weight in zip(rows, softmax(learned.numpy()), strict=True):
        assert [row[key] for key in ("weight", "min", "max")] == pytest.approx([weight] * 3)


def test_crossval_tells_mean_and_range_of_the_weights_of_all_fits(tiny_bert: Path, tmp_path: Path) -> None:
    results = crossval(spoken(6), tiny(tiny_bert), folds=2, seeds=2, store=FeatureStore(tmp_path)).results
    rows = results["layer_weights"]["text"]
    assert sum(row["weight"] for row in rows) == pytest.approx(1)
    assert all(row["min"] < row["weight"] < row["max"] for row in rows)
    # of two layers one gains what the other loses
    assert rows[0]["min"] == pytest.approx(1 - rows[1]["max"])


def test_concatenated_layers_have_no_weights_to_tell(tiny_bert: Path, tmp_path: Path) -> None:
    recipe = tiny(tiny_bert, layer_mix="concatenate")
    results = crossval(spoken(4), recipe, folds=2, seeds=1, store=FeatureStore(tmp_path)).results
    assert results["layer_weights"] == {}


def test_clips_without_labels_break_nothing_down(tiny_bert: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    recognizer = train(spoken(6), tiny(tiny_bert), store=store)
    unknown = Corpus([Clip(clip.id, transcription=clip.transcription, speaker=clip.speaker) for clip in spoken(3)])
    results = evaluate(recognizer, unknown, store=store).results
    assert (results["speakers"], results["hardest"]) == ([], [])
    assert "speakers" not in summary(results)


def test_the_summary_names_the_worst_and_the_best_speaker(tiny_bert: Path, tmp_path: Path) -> None:
    results = crossval(spoken(4), tiny(tiny_bert), folds=2, seeds=1, store=FeatureStore(tmp_path)).results
    results["speakers"] = [
        {"speaker": "ana", "n": 12, "accuracy": 0.5, "uar": 0.52},
        {"speaker": "eva", "n": 9, "accuracy": 0.4, "uar": 0.31},
        {"speaker": "leo", "n": 7, "accuracy": 0.4, "uar": 0.44},
    ]
    last = summary(results).splitlines()[-1]
    assert last == "3 speakers: UAR from 0.310 (eva, n=9) to 0.520 (ana, n=12)"
