"""NaN and infinity: stopped and explained with the clip's id; nothing that is poisoned is saved or told."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Recognizer, crossval, train
from emovoz.features import FrozenEncoders, extract
from emovoz.features.keys import text_key
from faults_tried import tally
from served import serving

CLOSED = {"method": "logistic_regression", "keep": "last"}
MODEL = {"layer_mix": "concatenate"} | {
    "standardise": True,
    "hidden_layers": 0,
    "dropout": 0.0,
    "layer_norm": False,
    "pooling": "mean_std",
}
SEQUENCES = {"pooling": "attention"}
"""Nothing is pooled beforehand."""


@pytest.fixture
def texts() -> Corpus:
    words = {"joy": "qué alegría", "fear": "miedo no", "anger": "la casa"}
    clips = [
        Clip(f"s{i}-{label}", transcription=f"{said} {'hola ' * i}", label=label, speaker=f"s{i}")
        for i in range(6)
        for label, said in words.items()
    ]
    return Corpus(clips)


def poisoned(corpus: Corpus, recipe: Recipe, place: Path, value: float, name: str = "s3-fear") -> FeatureStore:
    """A store that says of a clip, with checksums that agree, that one of its values is no number."""
    store = FeatureStore(place)
    encoders = FrozenEncoders.of(recipe)
    extract(corpus, encoders, store)
    branch = encoders.branches["text"]
    (clip,) = [one for one in corpus if one.id == name]
    key = text_key(clip.transcription or "")
    sound = store.read(branch.encoder.fingerprint, key, branch.layers)
    sound[0, 1, 2] = value
    shards = list(place.rglob("shard-*"))
    with store.writing(branch.encoder.fingerprint) as writer:
        for other in corpus:
            of_other = text_key(other.transcription or "")
            features = store.read(branch.encoder.fingerprint, of_other, branch.layers) if of_other != key else sound
            writer.add(of_other, dict(zip(branch.layers, features, strict=True)))
    for shard in shards:
        shard.unlink()
    return FeatureStore(place)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "sections",
    [
        {"model": MODEL, "training": CLOSED},
        {"training": {"epochs": 2, "keep": "last"}},
        {"training": {"epochs": 2, "keep": "best", "dev_fraction": 0.3}},
        {"model": SEQUENCES, "training": {"epochs": 2, "keep": "last"}},
        {"model": SEQUENCES, "training": {"epochs": 2, "keep": "best", "dev_fraction": 0.3}},
    ],
    ids=["closed form", "pooled", "pooled, best", "sequences", "sequences, best"],
)
def test_features_that_are_not_finite_stop_a_training_with_the_clips_id(
    sections: dict[str, Any], value: float, texts: Corpus, tiny_bert: Path, tmp_path: Path
) -> None:
    recipe = Recipe.checked({"text": {"model": str(tiny_bert)}, **sections})
    store = poisoned(texts, recipe, tmp_path / "store", value)
    with pytest.raises(InputError, match=r"^s3-fear: its features are not finite") as caught:
        train(texts, recipe, store=store, checkpoint=tmp_path / "checkpoint", checkpoint_seconds=0)
    assert len(caught.value.faults) == 1
    assert not list(tmp_path.glob("checkpoint/*/model"))
    with pytest.raises(InputError, match=r"^s3-fear: its features are not finite"):
        crossval(texts, recipe, folds=2, seeds=1, store=store)
    tally("NaN", injected=2, survived=2)


@pytest.mark.parametrize("model", [{}, SEQUENCES])
def test_a_loss_that_is_no_number_stops_a_training(
    model: dict[str, Any], texts: Corpus, tiny_bert: Path, tmp_path: Path
) -> None:
    training = {"epochs": 3, "keep": "last", "learning_rate": 1e30, "gradient_clip": 0, "dev_fraction": 0}
    recipe = Recipe.checked({"text": {"model": str(tiny_bert)}, "model": model, "training": training})
    with pytest.raises(InputError, match="learning_rate"):
        train(texts, recipe, store=FeatureStore(tmp_path / "store"))
    tally("NaN", injected=1, survived=1)


def test_the_last_step_cannot_poison_a_model(texts: Corpus, tiny_bert: Path, tmp_path: Path) -> None:
    training = {"epochs": 1, "keep": "last", "learning_rate": 1e38, "gradient_clip": 0, "dev_fraction": 0}
    training |= {"batch_size": 100, "optimiser": "sgd", "warmup": 0, "weight_decay": 1e30}
    recipe = Recipe.checked({"text": {"model": str(tiny_bert)}, "training": training})
    with pytest.raises(InputError, match="infinite or NaN, so nothing is saved"):
        train(texts, recipe, store=FeatureStore(tmp_path / "store"))
    tally("NaN", injected=1, survived=1)


@pytest.fixture
def sick(tiny_bert: Path, tmp_path: Path) -> Path:
    """A text encoder that gives NaN wherever it reads the word `miedo`."""
    folder = shutil.copytree(tiny_bert, tmp_path / "sick")
    weights = load_file(folder / "model.safetensors")
    word = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]["miedo"]
    weights["embeddings.word_embeddings.weight"][word] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_features_that_an_encoder_gives_as_nan_are_told_by_clip_and_the_others_kept(
    sick: Path, texts: Corpus, tmp_path: Path
) -> None:
    encoders = FrozenEncoders.of(Recipe.checked({"text": {"model": str(sick)}}))
    store = FeatureStore(tmp_path / "store")
    with pytest.raises(InputError, match="gives values for it that are not finite") as caught:
        extract(texts, encoders, store)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [f"s{i}-fear" for i in range(6)]
    keys = {text_key(clip.transcription or ""): clip.label for clip in texts}
    branch = encoders.branches["text"]
    missing = store.missing(branch.encoder.fingerprint, keys, branch.layers)
    assert [keys[key] for key in missing] == ["fear"] * 6
    tally("NaN", injected=6, survived=6)


def test_a_clip_whose_features_are_nan_gets_an_error_and_the_others_their_labels(
    sick: Path, texts: Corpus, demo: Corpus, tmp_path: Path
) -> None:
    sound = Corpus([clip for clip in texts if clip.label != "fear"])
    recipe = Recipe.checked({"text": {"model": str(sick)}, "model": MODEL, "training": CLOSED})
    recognizer = train(sound, recipe, store=FeatureStore(tmp_path / "store"))
    said = recognizer.predict([Clip("1", transcription="hola"), Clip("2", transcription="miedo"), sound.clips[0]])
    assert [one.error is None for one in said] == [True, False, True]
    assert "not finite" in str(said[1].error)
    with serving(recognizer) as (client, _):
        sound_file = (Path(str(demo.clips[0].audio))).read_bytes()
        answers = [
            client.post("/v1/predict", files={"audio": ("a.ogg", sound_file)}, data={"text": text})
            for text in ("hola", "miedo")
        ]
    assert [answer.status_code for answer in answers] == [200, 422]
    assert "not finite" in answers[1].text
    tally("NaN", injected=2, survived=2)


def test_a_score_that_is_no_number_is_told_as_an_error(texts: Corpus, tiny_bert: Path, tmp_path: Path) -> None:
    recipe = Recipe.checked({"text": {"model": str(tiny_bert)}, "model": MODEL, "training": CLOSED})
    recognizer = train(texts, recipe, store=FeatureStore(tmp_path / "store"))
    with torch.no_grad():
        recognizer.head.classifier[-1].weight.fill_(3e38)  # type: ignore[operator]
    (said,) = recognizer.predict(texts.clips[0])
    assert "not finite" in str(said.error)
    assert said.label is None
    tally("NaN", injected=1, survived=1)


def test_a_model_with_a_weight_that_is_no_number_is_refused_by_name(small_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small_model, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "classifier" in name)
    weights[name].view(-1)[0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"tensor {name} holds values that are not finite"):
        Recognizer.from_pretrained(folder)
    tally("NaN", injected=1, survived=1)
