"""train: what it makes of a corpus can be made again from the saved model."""

import json
from pathlib import Path

import pytest

from emovoz import Clip, Corpus, FeatureStore, Recipe, Recognizer, crossval, train
from emovoz.errors import InputError


def test_a_saved_model_trains_again_from_its_own_folder_bit_for_bit(
    demo: Corpus, tiny_bert: Path, tmp_path: Path
) -> None:
    texts = Corpus([Clip(c.id, transcription=c.transcription, label=c.label) for c in demo.clips[:36]])
    recipe = Recipe.load("text-gradient", [f"text.model={tiny_bert}", "text.layers=all", "training.epochs=3"])
    store = FeatureStore(tmp_path / "store")
    train(texts, recipe.with_seed(5), dev=texts, store=store).save_pretrained(tmp_path / "model")
    train(texts, Recipe.load(tmp_path / "model"), dev=texts, store=store).save_pretrained(tmp_path / "again")
    for file in (tmp_path / "model").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
    loaded = Recognizer.from_pretrained(tmp_path / "again")
    content = {"fingerprint": texts.fingerprint, "clips": 36}
    assert loaded.data == {**content, "labels": list(texts.labels), "dev": content}
    card = (tmp_path / "model" / "recognizer.json").read_text()
    assert json.loads(card)["data"] == loaded.data
    loaded.save_pretrained(tmp_path / "copy")
    assert (tmp_path / "copy" / "recognizer.json").read_text() == card


def test_heads_that_do_not_divide_the_width_of_an_encoder_are_told_before_anything_is_encoded(
    demo: Corpus, tiny_bert: Path, tmp_path: Path
) -> None:
    texts = Corpus([Clip(c.id, transcription=c.transcription, label=c.label) for c in demo.clips[:36]])
    settings = [f"text.model={tiny_bert}", "text.layers=all", "model.sequence=transformer", "model.sequence_heads=7"]
    recipe = Recipe.load("text-gradient", [*settings, "model.standardise=false"])
    store = FeatureStore(tmp_path / "store")
    for verb in (train, crossval):
        with pytest.raises(InputError, match=r"model.sequence_heads 7 does not divide \d+, the width that"):
            verb(texts, recipe, store=store)
    assert not list((tmp_path / "store").rglob("*.safetensors"))
