"""Views in training: what an epoch shows of a clip that has altered copies, and who never sees them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from emovoz import Corpus, FeatureStore, InputError, Recipe, train
from emovoz.features import ClipFeatures, FrozenEncoders, views_of
from emovoz.features.upkeep import list_features, verify
from emovoz.model.join import Standardise
from emovoz.settings import Augmentation
from emovoz.training import Examples, new_head
from emovoz.training.pooled import fit_scales, pooled_where_fixed
from emovoz.training.variation import Varied
from helpers import emovoz
from sounds import noise

CLASSES = 3


def examples(count: int, views: int = 2, frames: int = 3) -> Examples:
    """Clips whose every frame tells which clip it is; that of a view, which view too: clip + 1000 x (1 + view)."""

    def features(view: int) -> list[ClipFeatures]:
        return [ClipFeatures({"speech": torch.full((1, frames, 1), i + 1000.0 * view)}) for i in range(count)]

    return Examples(
        features(0),
        [i % CLASSES for i in range(count)],
        [f"clip-{i}" for i in range(count)],
        frame_rate=50,
        views=[features(1 + view) for view in range(views)],
    )


def shown(of: Examples, epoch: int = 0, seed: int = 0, **settings: Any) -> dict[str, int]:
    """By clip, 0 where it was shown as it is, else 1 + the number of its view."""
    settings = {"views": len(of.views), "gain": {}} | settings
    varied = Varied(of, Augmentation.model_validate(settings), seed, CLASSES)
    varied.epoch = epoch
    found = {of.ids[i]: varied[i] for i in range(len(of))}
    return {name: int(one.features.by_modality["speech"].flatten()[0]) // 1000 for name, one in found.items()}


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_views_are_shown_as_often_as_asked_and_each_as_often_as_the_others(probability: float) -> None:
    counts = np.bincount(list(shown(examples(900, views=3), probability=probability).values()), minlength=4) / 900
    assert counts[0] == pytest.approx(1 - probability, abs=0.05)
    assert counts[1:] == pytest.approx(probability / 3, abs=0.05)
    assert probability not in (0, 1) or counts[0] == 1 - probability


def test_a_view_is_one_of_the_same_clip_with_the_same_label() -> None:
    of = examples(50)
    varied = Varied(of, Augmentation.model_validate({"views": 2, "gain": {}, "probability": 1.0}), 0, CLASSES)
    for i in range(len(of)):
        assert int(varied[i].features.by_modality["speech"].flatten()[0]) % 1000 == i
        assert varied[i].target.item() == i % CLASSES


def test_which_view_is_shown_depends_on_seed_epoch_and_id_alone() -> None:
    of = examples(60)
    everything, few = shown(of, 2), shown(of.select([31, 3, 17]), 2)
    assert few == {name: everything[name] for name in ("clip-31", "clip-3", "clip-17")}
    assert everything not in (shown(of, 3), shown(of, 2, seed=1))


def test_without_views_nothing_is_drawn_and_asked_for_itself_a_clip_is_no_view() -> None:
    assert set(shown(examples(20, views=0), views=0, gain=None).values()) == {0}
    of = examples(20)
    assert all(int(of[i].features.by_modality["speech"].max()) == i for i in range(20))


def test_crops_and_mixup_take_the_view_that_is_shown() -> None:
    of = examples(40, views=1, frames=30)
    varied = Varied(
        of,
        Augmentation.model_validate({"views": 1, "gain": {}, "probability": 1.0, "crop_seconds": 0.1, "mixup": 0.4}),
        0,
        CLASSES,
    )
    for i in range(len(of)):
        speech = varied[i].features.by_modality["speech"]
        assert speech.shape == (1, 5, 1)
        assert 1000 <= speech.min() <= speech.max() < 1040


def test_where_the_waveform_is_cut_features_are_not_cut_again() -> None:
    of = examples(40, views=2, frames=30)
    settings = {"views": 2, "crop": "waveform", "crop_seconds": 0.1}
    varied = Varied(of, Augmentation.model_validate(settings), 0, CLASSES)
    assert {varied[i].features.by_modality["speech"].shape for i in range(len(of))} == {(1, 30, 1)}


@pytest.fixture
def recipe(tiny_whisper: Path) -> Recipe:
    settings = [f"speech.model={tiny_whisper}", "speech.layers=all", "training.epochs=3", "augmentation.views=2"]
    return Recipe.load("speech-gradient", [*settings, "augmentation.gain={db: [-20, 20]}"])


def test_where_pooling_is_fixed_views_are_pooled_once_and_scales_are_those_of_the_clips(recipe: Recipe) -> None:
    random = torch.Generator().manual_seed(0)
    features, *views = (
        [ClipFeatures({"speech": shift + torch.randn(3, 9, 32, generator=random)}) for _ in range(12)]
        for shift in (0, 5, 9)
    )
    of = Examples(features, [0, 1] * 6, [f"{i}" for i in range(12)], views=views)
    head = new_head(recipe, FrozenEncoders.of(recipe), ("joy", "fear"))
    pooled = pooled_where_fixed(head, of)
    for clips, vectors in zip((features, *views), (pooled.features, *pooled.views), strict=True):
        for clip, vector in zip(clips, vectors, strict=True):
            speech = clip.by_modality["speech"]
            mean_and_deviation = torch.cat([speech.mean(1), speech.std(1, correction=0)]).flatten()
            (pooled_speech,) = vector.by_modality.values()
            torch.testing.assert_close(pooled_speech.sort()[0], mean_and_deviation.sort()[0])
    fit_scales(head, pooled)
    ((name, scale),) = head.join.scale.items()
    assert isinstance(scale, Standardise)
    of_clips = torch.stack([vector.by_modality[name] for vector in pooled.features])
    torch.testing.assert_close(scale.mean, of_clips.mean(0))


def test_only_clips_to_learn_from_have_views(recipe: Recipe, demo: Corpus, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    learned, judged = Corpus(demo.split("train").clips[:24]), Corpus(demo.split("dev").clips[:12])
    train(learned, recipe, dev=judged, store=store)
    (branch,) = FrozenEncoders.of(recipe).branches.values()
    for view in views_of(recipe.augmentation):
        name = branch.altered(view).view
        lacking = [
            store.missing(
                branch.encoder.fingerprint, [branch.pieces(clip)[0].key for clip in corpus], branch.layers, name
            )
            for corpus in (learned, judged)
        ]
        assert [len(keys) for keys in lacking] == [0, 12]


def test_views_change_what_is_learned_and_the_same_views_give_the_same_model(
    recipe: Recipe, demo: Corpus, tmp_path: Path
) -> None:
    store, corpus = FeatureStore(tmp_path / "store"), Corpus(demo.clips[:24])

    def losses(**settings: Any) -> list[float]:
        changed = recipe.augmentation.model_copy(update=settings)
        trained = train(corpus, recipe.model_copy(update={"augmentation": changed}), dev=corpus, store=store)
        return [epoch["loss"] for epoch in trained.history]

    with_views = losses()
    assert losses() == with_views
    assert losses(seed=1) != with_views
    assert losses(views=0) != with_views


def test_a_checkpoint_serves_no_training_with_other_noise(recipe: Recipe, demo: Corpus, tmp_path: Path) -> None:
    store, corpus = FeatureStore(tmp_path / "store"), Corpus(demo.clips[:12])
    (tmp_path / "noise" / "noise").mkdir(parents=True)
    soundfile.write(tmp_path / "noise" / "noise" / "a.wav", noise(0.2), 16000)
    noisy = Augmentation.model_validate({"views": 1, "noise": {"source": str(tmp_path / "noise")}})
    recipe = recipe.model_copy(update={"augmentation": noisy})
    train(corpus, recipe, store=store, checkpoint=tmp_path / "c")
    train(corpus, recipe, store=store, checkpoint=tmp_path / "c", resume=True)
    soundfile.write(tmp_path / "noise" / "noise" / "a.wav", noise(0.3), 16000)
    with pytest.raises(InputError, match=r"views was \['view-"):
        train(corpus, recipe, store=store, checkpoint=tmp_path / "c", resume=True)


def test_a_waveform_crop_serves_a_head_that_sees_vectors(recipe: Recipe, demo: Corpus, tmp_path: Path) -> None:
    cropped = {"views": 2, "crop": "waveform", "crop_seconds": 0.5, "probability": 1.0}
    recipe = recipe.model_copy(update={"augmentation": Augmentation.model_validate(cropped)})
    trained = train(Corpus(demo.clips[:24]), recipe, store=FeatureStore(tmp_path / "store"))
    assert len(trained.history) == 3


@pytest.fixture
def manifest(demo: Corpus, tmp_path: Path) -> Path:
    path = tmp_path / "clips.csv"
    with path.open("w", newline="") as file:
        rows = [[c.id, c.audio, c.label, c.speaker] for c in demo.clips[::4]]
        csv.writer(file).writerows([["id", "audio", "label", "speaker"], *rows])
    return path


def test_the_command_line_fills_the_store_ahead_and_trains_compares_and_lists(
    manifest: Path, tiny_whisper: Path, tmp_path: Path
) -> None:
    audio, store = ["--audio-dir", "/"], ["--store", str(tmp_path / "store")]
    settings = [f"speech.model={tiny_whisper}", "speech.layers=[1, 2]", "training.epochs=2", "augmentation.views=2"]
    effects = ["augmentation.speed={}", "augmentation.noise={probability: 1}"]
    recipe = ["--recipe", "speech-gradient", *(part for one in [*settings, *effects] for part in ("--set", one))]

    def run(verb: str, *more: str) -> Any:
        done = emovoz(verb, *more)
        assert done.returncode == 0, done.stderr
        return done

    # what training and cross-validation find done already
    extracted = run("extract", str(manifest), *audio, *store, *recipe)
    assert "48 new speech, 96 new views" in extracted.stdout
    assert "to encode: 48 speech, 96 views; about" in extracted.stderr
    trained = run("train", str(manifest), *audio, *store, *recipe, "--out", str(tmp_path / "model"))
    assert "to encode" not in trained.stderr
    crossed = run("crossval", str(manifest), *audio, *store, *recipe, "--seeds", "1", "--folds", "2", "--json")
    assert json.loads(crossed.stdout)["n"] == 48
    assert "to encode" not in crossed.stderr
    (kept,) = list_features(FeatureStore(tmp_path / "store"))
    assert kept.views[0] == "clean"
    assert [name[:5] + name[-2:] for name in kept.views[1:]] == ["view--0", "view--1"]
    assert not verify(FeatureStore(tmp_path / "store")).damaged
