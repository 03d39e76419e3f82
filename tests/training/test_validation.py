"""Validation: when dev clips are scored, what follows from the scores, and what is told of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import f1_score
from torch.nn.functional import nll_loss

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, crossval, train
from emovoz.evaluation.report import render_report
from emovoz.features import LongClipFeatures
from emovoz.inference import probabilities
from emovoz.settings import Tracking, Training
from emovoz.training import Fitted, fit
from emovoz.training.tracking import Run
from fits import examples, head, tensors
from training_events import events


def fitted(tmp_path: Path | None = None, clips: int = 50, **settings: Any) -> Fitted:
    training = Training(**{"batch_size": 10, "epochs": 4, "learning_rate": 0.01, **settings})
    run = Run(Tracking(tool="tensorboard", folder=str(tmp_path)), "run", {}) if tmp_path else None
    return fit(head(), examples(clips), examples(30, 1), training, run=run)


def test_without_a_number_of_steps_there_is_a_validation_after_each_epoch() -> None:
    history = fitted().history
    assert [(entry["epoch"], entry["step"]) for entry in history] == [(1, 5), (2, 10), (3, 15), (4, 20)]
    assert all(isinstance(entry["epoch"], int) for entry in history)
    assert all(entry["dev_macro_f1"] is not None for entry in history)


def test_validations_come_every_k_steps_and_with_the_last() -> None:
    history = fitted(validate_every=6).history
    assert [entry["step"] for entry in history] == [6, 12, 18, 20]
    assert [entry["epoch"] for entry in history] == [1.2, 2.4, 3.6, 4]
    # accumulated batches make one step: 3 an epoch
    assert [entry["step"] for entry in fitted(validate_every=6, accumulation=2).history] == [6, 12]
    assert [entry["step"] for entry in fitted(validate_every=1000).history] == [20]


def test_validating_changes_nothing_but_what_is_kept_and_its_losses_are_means_since_the_last() -> None:
    each, every = fitted(validate_every=1, keep="last").history, fitted(validate_every=6, keep="last").history
    for first, entry in zip((0, 6, 12, 18), every, strict=True):
        steps = each[first : entry["step"]]
        assert entry["loss"] == pytest.approx(sum(one["loss"] for one in steps) / len(steps), rel=1e-5)
        assert entry["dev_macro_f1"] == steps[-1]["dev_macro_f1"]
    # the last state is the same whether dev clips are scored often, seldom or not at all
    training = Training(batch_size=10, epochs=4, learning_rate=0.01, keep="last")
    unmeasured = tensors(fit(head(), examples(50), None, training))
    measured = tensors(fitted(validate_every=1, keep="last"))
    assert all(torch.equal(measured[name], unmeasured[name]) for name in unmeasured)


def test_the_best_validation_is_kept_though_it_lies_within_an_epoch() -> None:
    found = fitted(validate_every=3, learning_rate=0.3, schedule="none")
    best = max(found.history, key=lambda entry: entry["dev_macro_f1"])
    assert not float(best["epoch"]).is_integer()
    assert found.history[-1]["dev_macro_f1"] < best["dev_macro_f1"]
    dev = examples(30, 1)
    predicted = probabilities(found.head, dev.features).argmax(1)
    assert f1_score(dev.targets, predicted, average="macro") == pytest.approx(best["dev_macro_f1"])


def test_patience_counts_validations() -> None:
    history = fitted(validate_every=2, patience=3, epochs=60).history
    scores = [entry["dev_macro_f1"] for entry in history]
    assert len(scores) < 100
    assert max(scores) == scores[-4]
    assert max(scores[-3:]) <= scores[-4]


def test_on_a_plateau_the_rate_follows_the_scores_that_are_told(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "schedule": "plateau",
        "plateau_factor": 0.5,
        "plateau_patience": 2,
        "validate_every": 1,
    }
    found = fitted(tmp_path, learning_rate=0.02, **settings)
    (folder,) = (tmp_path / "run").iterdir()
    told = events(folder)["train/learning_rate"]
    rate, best, since, expected = 0.02, -1.0, 0, {}
    for entry in found.history:
        expected[entry["step"]] = pytest.approx(rate)
        best, since = (entry["dev_macro_f1"], 0) if entry["dev_macro_f1"] > best else (best, since + 1)
        if since == 2:
            rate, since = rate * 0.5, 0
    assert told == expected
    assert rate < 0.011


def test_the_dev_loss_is_the_cross_entropy_of_what_the_head_says_whatever_it_learns_by(tmp_path: Path) -> None:
    learns_by: dict[str, Any] = {
        "loss": "focal",
        "logit_adjustment": 1.0,
        "label_smoothing": 0.2,
        "precision": "bfloat16",
    }
    found = fitted(tmp_path, keep="last", **learns_by)
    (folder,) = (tmp_path / "run").iterdir()
    dev = examples(30, 1)
    said = torch.from_numpy(probabilities(found.head, dev.features)).log()
    assert events(folder)["eval/loss"][20] == pytest.approx(nll_loss(said, torch.tensor(dev.targets)).item(), rel=1e-4)


def test_long_dev_recordings_are_scored_in_pieces_as_predictions_are(tmp_path: Path) -> None:
    whole = examples(4, 1)

    def long(i: int) -> LongClipFeatures:
        """A recording whose pieces are clip i and the next."""
        return LongClipFeatures(lambda: (whole.features[k % 4] for k in (i, i + 1)))

    dev = replace(whole, features=[long(i) for i in range(4)])
    run = Run(Tracking(tool="tensorboard", folder=str(tmp_path)), "run", {})
    training = Training(batch_size=10, epochs=1, keep="last")
    found = fit(head(sequence="self_attention", pooling="max"), examples(50), dev, training, run=run)
    (folder,) = (tmp_path / "run").iterdir()
    said = torch.from_numpy(probabilities(found.head, dev.features)).log()
    assert events(folder)["eval/loss"][5] == pytest.approx(nll_loss(said, torch.tensor(dev.targets)).item(), rel=1e-4)


def test_without_dev_clips_the_loss_of_each_epoch_is_told() -> None:
    training = Training(epochs=3, batch_size=10, keep="last", validate_every=2)
    history = fit(head(), examples(50), None, training).history
    assert [(entry["epoch"], entry["step"], entry["dev_macro_f1"]) for entry in history] == [
        (1, 5, None),
        (2, 10, None),
        (3, 15, None),
    ]


def test_a_report_draws_validations_within_epochs_over_steps() -> None:
    history = [{"fold": fold, "seed": 0, "epochs": fitted(validate_every=6).history} for fold in (0, 1)]
    page = render_report({"history": history})
    assert "dev macro-F1 by step: the mean goes from" in page
    assert "at step 20" in page
    assert "by epoch" not in page


@pytest.fixture
def texts(demo: Corpus) -> Corpus:
    return Corpus([Clip(c.id, transcription=c.transcription, label=c.label) for c in demo.clips[:36]])


@pytest.fixture
def refused(texts: Corpus, tiny_bert: Path, tmp_path: Path) -> Callable[..., str]:
    """What train and crossval say of settings that they refuse, alike, before anything is encoded."""

    def ask(*settings: str) -> str:
        recipe = Recipe.load("text-gradient", [f"text.model={tiny_bert}", "text.layers=all", *settings])
        store = FeatureStore(tmp_path / "store")
        told = []
        for work in (train, crossval):
            with pytest.raises(InputError) as caught:
                work(texts, recipe, store=store)
            told.append(str(caught.value))
        assert told[0] == told[1]
        assert not list((tmp_path / "store").rglob("*.safetensors"))
        return told[0]

    return ask


def test_what_needs_dev_clips_and_can_have_none_is_refused_by_name(refused: Callable[..., str]) -> None:
    assert "training.schedule plateau needs dev clips" in refused("training.schedule=plateau", "training.keep=last")
    assert "training.keep best needs dev clips" in refused("training.keep=best", "training.dev_fraction=0")


def test_a_plateau_has_dev_clips_where_they_are_given_or_held_out(
    texts: Corpus, tiny_bert: Path, tmp_path: Path
) -> None:
    settings = [f"text.model={tiny_bert}", "text.layers=all", "training.schedule=plateau", "training.epochs=2"]
    store = FeatureStore(tmp_path / "store")
    given = train(texts, Recipe.load("text-gradient", settings), dev=texts, store=store)
    held = train(texts, Recipe.load("text-gradient", [*settings, "training.keep=best"]), store=store)
    for recognizer in (given, held):
        assert all(entry["dev_macro_f1"] is not None for entry in recognizer.history)


def test_a_precision_that_the_device_does_not_compute_in_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovoz.training.pipeline.computes_in_bfloat16", lambda device: False)
    assert "training.precision bfloat16: the device cpu" in refused("training.precision=bfloat16")
