"""BERT by our own layers: its weights, settings and states as transformers has them, or else transformers' own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, BertModel

from emovoz import InputError, TextEncoder
from emovoz.encoders import load_text_encoder
from emovoz.encoders.bert_layers import BertLayers, load_bert
from emovoz.encoders.fingerprint import settings_of, weights_digest
from emovoz.encoders.packed import unpacked
from helpers import change_json, relative_gap
from tiny_encoders import TEXT, WORDS, spoil_tensor, text_checkpoint

OF_2018 = {"position_embedding_type": "absolute", "directionality": "bidi", "gradient_checkpointing": False}
OF_2018 |= {"pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3}
OF_2018 |= {"pooler_size_per_head": 128, "pooler_type": "first_token_transform", "output_past": True}
FINE_TUNED = {"id2label": {"0": "sad", "1": "glad", "2": "mad"}, "problem_type": "single_label_classification"}


def _changed(directory: Path, **changed: Any) -> Path:
    change_json(directory / "config.json", **changed)
    return directory


def test_the_fingerprint_of_the_packaged_weights_is_what_stored_features_are_kept_under(e5: TextEncoder) -> None:
    assert e5.kindred["float32"] == "e02365b92b565898e880ed91e0ee2647"


def test_the_tensors_are_those_of_transformers_by_name_and_value(tiny_bert: Path) -> None:
    ours = unpacked(load_text_encoder(str(tiny_bert))).model
    assert isinstance(ours, BertLayers)
    assert weights_digest(ours) == weights_digest(BertModel.from_pretrained(tiny_bert, add_pooling_layer=False))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="as saved"),
        pytest.param(dict.fromkeys(("hidden_act", "layer_norm_eps", "type_vocab_size"), "none"), id="usual left"),
        pytest.param(OF_2018, id="of 2018"),
        pytest.param({**OF_2018, **FINE_TUNED, "torch_dtype": "float16", "layer_norm_eps": 1e-5}, id="fine-tuned"),
    ],
)
def test_the_settings_in_the_fingerprint_are_those_that_transformers_tells(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    text_checkpoint("BERT", tmp_path)
    ours = load_bert(_changed(tmp_path, **changed))
    assert ours is not None
    assert settings_of(ours.config) == settings_of(AutoConfig.from_pretrained(tmp_path))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"hidden_act": "relu"}, id="another activation"),
        pytest.param({"is_decoder": True}, id="a decoder"),
        pytest.param({"attention_window": 4}, id="an unknown setting"),
        pytest.param({"position_embedding_type": None}, id="nothing told"),
    ],
)
def test_a_bert_that_is_another_is_that_of_transformers(changed: dict[str, Any], tmp_path: Path) -> None:
    model = text_checkpoint("BERT", tmp_path, **changed)
    assert load_bert(_changed(tmp_path, **changed)) is None
    encoder = load_text_encoder(str(tmp_path))
    states = encoder.encode_each(["la casa y él no"], [0, 2])[0]
    ids = torch.tensor([[5, *(7 + WORDS.index(word) for word in ("la", "casa", "y", "él", "no")), 6]])
    with torch.inference_mode():
        theirs = model(ids, output_hidden_states=True).hidden_states
    assert relative_gap(states.cpu(), torch.stack([theirs[0], theirs[2]])[:, 0]) <= 1e-5


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"num_attention_heads": 5}, "5 heads do not divide a width of 32"),
        ({"hidden_size": "wide"}, "hidden_size: .*integer"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers 1000000, more than"),
        ({"vocab_size": 10**9}, "asks for [0-9]+ values"),
        ({"max_position_embeddings": 30}, r"position_embeddings.weight has shape \[20, 32\], expected \[30, 32\]"),
    ],
)
def test_a_configuration_that_cannot_be_is_told(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    text_checkpoint("BERT", tmp_path)
    with pytest.raises(InputError, match=told):
        load_text_encoder(str(_changed(tmp_path, **changed)))


@pytest.mark.parametrize("fault", ["missing", "extra", "shape"])
def test_a_wrong_tensor_is_named(fault: str, tmp_path: Path) -> None:
    text_checkpoint("BERT", tmp_path)
    part = "encoder.layer.1.attention.self"
    extra = f"{part}.distance_embedding.weight"
    name = spoil_tensor(tmp_path / "model.safetensors", fault, f"{part}.key.weight", extra)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        load_text_encoder(str(tmp_path))


def test_weights_in_several_files_are_the_same_encoder(tmp_path: Path) -> None:
    model = text_checkpoint("BERT", tmp_path)
    fingerprint = load_text_encoder(str(tmp_path)).fingerprint
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="5KB")
    assert len([*tmp_path.glob("*.safetensors")]) > 5
    assert load_text_encoder(str(tmp_path)).fingerprint == fingerprint


def test_a_family_of_another_name_is_not_taken_for_it(tmp_path: Path) -> None:
    for name in TEXT.keys() - {"BERT"}:
        text_checkpoint(name, tmp_path / name)
        assert load_bert(tmp_path / name) is None
