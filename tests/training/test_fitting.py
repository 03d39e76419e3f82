"""Fitting: what a recipe asks of training is what happens."""

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from emovoz import InputError
from emovoz.features import ClipFeatures, collate
from emovoz.inference import probabilities
from emovoz.settings import Augmentation, Model, Training
from emovoz.training import fit
from emovoz.training.examples import Examples
from emovoz.training.optimiser import optimiser_of
from fits import accuracy, examples, head, tensors

FIXED: dict[str, Any] = {"layer_mix": "concatenate", "layer_norm": False, "pooling": "mean_std", "standardise": True}


def choices(setting: str) -> list[dict[str, Any]]:
    return [{setting: value} for value in get_args(Model.model_fields[setting].annotation)]


OF_SPEECH: list[dict[str, Any]] = [{}, FIXED, {"hidden_layers": 0, "width": 5}, {"sequence": "transformer"}]
OF_BOTH: list[dict[str, Any]] = [
    *OF_SPEECH[:3],
    *choices("pooling")[1:],
    *choices("sequence")[1:],
    {"sequence": "multi_head_attention", "sequence_head_width": "whole"},
    *choices("fusion")[1:],
    FIXED | {"fusion": "gated"},
    {"fusion": "cross_attention", "sequence": "transformer", "pooling": "double_multi_head_attention"},
]


@pytest.mark.parametrize(
    ("model", "text"),
    [*((model, False) for model in OF_SPEECH), *((model, True) for model in OF_BOTH)],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
def test_every_kind_of_head_learns(model: dict[str, Any], text: bool) -> None:
    training = Training(epochs=30, learning_rate=0.01)
    fitted = fit(head(text=text, **model), examples(90, text=text), examples(30, 1, text=text), training)
    assert accuracy(fitted, examples(60, 2, text=text)) > 0.8
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]


def test_the_same_seed_gives_the_same_head_and_another_seed_another() -> None:
    def run(seed: int) -> dict[str, torch.Tensor]:
        training, varied = Training(epochs=2, seed=seed), Augmentation(modality_dropout=0.3)
        clips, dev = examples(40, text=True), examples(15, 1, text=True)
        return tensors(fit(head(text=True), clips, dev, training, augmentation=varied))

    once, again, other = run(3), run(3), run(4)
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not all(torch.equal(once[name], other[name]) for name in once)


def test_the_epoch_with_the_best_dev_score_is_kept() -> None:
    dev = examples(30, 5)
    fitted = fit(head(), examples(60), dev, Training(epochs=6, learning_rate=0.05))
    best = max(epoch["dev_macro_f1"] for epoch in fitted.history)
    from sklearn.metrics import f1_score

    predicted = probabilities(fitted.head, dev.features).argmax(1)
    assert f1_score(dev.targets, predicted, average="macro") == pytest.approx(best)


def test_patience_ends_a_run_that_no_longer_improves() -> None:
    fitted = fit(head(), examples(60), examples(30, 1), Training(epochs=60, patience=2, learning_rate=0.01))
    scores = [epoch["dev_macro_f1"] for epoch in fitted.history]
    assert len(scores) < 60
    assert max(scores) == scores[-3]
    assert max(scores[-2:]) <= scores[-3]


def test_layer_weights_find_the_layer_that_tells_something() -> None:
    fitted = fit(head(layers=4), examples(120, layers=4, informative=2), None, Training(epochs=15, keep="last"))
    weights = fitted.head.get_parameter("branches.speech.mix.layer_weights").detach().softmax(0)
    assert int(weights.argmax()) == 2
    assert float(weights.max()) > 0.3


def test_layer_weights_have_their_own_rate_and_do_not_decay() -> None:
    model = head()
    mix = model.get_parameter("branches.speech.mix.layer_weights")
    training = Training(learning_rate=1e-4, layer_learning_rate=0.02, weight_decay=0.3)
    groups = optimiser_of(model, training).param_groups
    (of_layers,) = [g for g in groups if any(p is mix for p in g["params"])]
    assert (of_layers["lr"], of_layers["weight_decay"], len(of_layers["params"])) == (0.02, 0.0, 1)
    decayed = [p for g in groups if g["weight_decay"] for p in g["params"]]
    assert {p.ndim for p in decayed} == {2}
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))


def test_logistic_regression_is_that_of_scikit_learn() -> None:
    train, test = examples(60), examples(30, 1)
    model = FIXED | {"hidden_layers": 0, "dropout": 0.0}
    start = head(**model)
    # standardised values have a mean square of 1, so vectors that of their width
    strength = 0.3 * start.join.out_dim
    fitted = fit(start, train, None, Training(method="logistic_regression", regularisation=strength))

    def statistics(clips: Examples) -> np.ndarray:
        frames = [clip.by_modality["speech"].double().numpy() for clip in clips.features]
        return np.stack([np.concatenate([*x.mean(1), *x.std(1)]) for x in frames])

    theirs = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.3, class_weight="balanced", max_iter=2000, random_state=0)
    ).fit(statistics(train), train.targets)
    np.testing.assert_allclose(
        probabilities(fitted.head, test.features), theirs.predict_proba(statistics(test)), atol=2e-3
    )


@pytest.mark.parametrize("clips", [12, 60])
@pytest.mark.parametrize("weights", ["inverse", "none"])
def test_a_linear_svm_is_that_of_scikit_learn(clips: int, weights: Literal["inverse", "none"]) -> None:
    """With 12 clips there are fewer of them than values, and with 60 more; C counts by the 16 values there are."""
    train, test = examples(clips).select([*range(clips - 4), clips - 3]), examples(30, 1)
    model = FIXED | {"hidden_layers": 0, "dropout": 0.0, "pooling": "mean"}
    fitted = fit(head(**model), train, None, Training(method="svm", regularisation=0.05 * 16, class_weights=weights))

    def means(of: Examples) -> np.ndarray:
        frames = [clip.by_modality["speech"].double().numpy() for clip in of.features]
        return np.stack([np.concatenate([*x.mean(1)]) for x in frames])

    # liblinear's own class weights leave the clips of the other labels unweighted
    balanced = len(train) / (3 * np.bincount(train.targets)[train.targets])
    theirs = make_pipeline(StandardScaler(), LinearSVC(C=0.05, tol=1e-8, max_iter=100_000)).fit(
        means(train), train.targets, linearsvc__sample_weight=balanced if weights == "inverse" else None
    )
    expected = softmax(theirs.decision_function(means(test)), axis=1)
    np.testing.assert_allclose(probabilities(fitted.head, test.features), expected, atol=2e-3)


def test_a_linear_svm_of_two_labels_gives_a_label_that_was_never_seen_no_chance() -> None:
    clips = examples(60)
    two = clips.select([i for i in range(60) if clips.targets[i] != 1])
    model = FIXED | {"hidden_layers": 0, "dropout": 0.0}
    fitted = fit(head(**model), two, None, Training(method="svm", regularisation=0.01))
    scores = probabilities(fitted.head, clips.features)
    assert scores[:, 1].max() == 0
    seen = np.array(clips.targets) != 1
    assert (scores.argmax(1)[seen] == np.array(clips.targets)[seen]).mean() > 0.9


def test_labels_that_training_has_no_clip_of_are_never_given() -> None:
    clips = examples(60)
    without = clips.select([i for i, target in enumerate(clips.targets) if target != 0])
    model = FIXED | {"hidden_layers": 0, "dropout": 0.0}
    fitted = fit(head(**model), without, None, Training(method="logistic_regression"))
    assert probabilities(fitted.head, clips.features)[:, 0].max() == 0


def test_pooling_once_before_training_changes_nothing_of_what_the_head_says() -> None:
    fitted = fit(
        head(text=True, fusion="pooled", **FIXED), examples(40, text=True), None, Training(epochs=2, keep="last")
    )
    clips = examples(9, 1, text=True).features
    batch = collate(list(clips), fitted.head.config.shapes)
    with torch.inference_mode():
        whole = fitted.head(**batch).logits
        each = torch.cat([fitted.head(**collate([clip], fitted.head.config.shapes)).logits for clip in clips])
    torch.testing.assert_close(whole, each, atol=1e-4, rtol=0)


@pytest.mark.parametrize("model", [FIXED | {"fusion": "pooled"}, {"pooling": "attention"}])
def test_heads_learn_from_mixed_clips(model: dict[str, Any]) -> None:
    training = Training(epochs=30, learning_rate=0.01, keep="last")
    clips, mixed = examples(90, text=True), Augmentation(mixup=0.3)
    fitted = fit(head(text=True, **model), clips, None, training, augmentation=mixed)
    assert accuracy(fitted, examples(60, 2, text=True)) > 0.8


def test_a_head_learns_from_crops() -> None:
    clips = replace(examples(90), frame_rate=50)
    training = Training(epochs=30, learning_rate=0.01, keep="last")
    fitted = fit(head(), clips, None, training, augmentation=Augmentation(crop_seconds=0.1))
    assert accuracy(fitted, examples(60, 2)) > 0.8


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    broken = examples(30)
    list(broken.features)[4].by_modality["speech"][:] = torch.inf
    with pytest.raises(InputError, match=f"^{broken.ids[4]}: its features are not finite"):
        fit(head(), broken, None, Training(epochs=2, keep="last"))
    with pytest.raises(InputError, match="the loss is nan in epoch"):
        fit(head(), examples(30), None, Training(epochs=2, keep="last", learning_rate=1e30, gradient_clip=0))


def test_late_fusion_adds_the_logits_of_a_model_of_each_modality() -> None:
    model = FIXED | {"hidden_layers": 0, "dropout": 0.0}
    clips, new = examples(60, text=True), examples(9, 1, text=True)
    settings = Training(method="logistic_regression", regularisation=3.0)
    both = fit(head(text=True, fusion="late", **model), clips, None, settings)
    assert probabilities(both.head, new.features).shape == (9, len(both.head.config.labels))

    def logits(modality: str) -> np.ndarray:
        def only(some: Examples) -> Examples:
            return replace(some, features=[ClipFeatures({modality: f.by_modality[modality]}) for f in some.features])

        alone = fit(head(text=True, fusion="late", **model), only(clips), None, settings)
        return np.log(probabilities(alone.head, only(new).features))

    added = np.exp(logits("speech") + logits("text"))
    np.testing.assert_allclose(probabilities(both.head, new.features), added / added.sum(1, keepdims=True), atol=1e-5)
