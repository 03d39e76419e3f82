"""Text encoders of many families, from tiny random checkpoints of their own classes: equal to plain transformers."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file

from emovoz import InputError
from emovoz.encoders import load_text_encoder
from emovoz.encoders.tuned import TunedLayers, check_tunable
from emovoz.settings import Lora
from helpers import relative_gap
from tiny_encoders import TEXT, WORDS, text_checkpoint, word_tokenizer

SENTENCES = ["qué alegría", "no", "la casa y él no", "", "hola hola sí"]


@pytest.mark.parametrize("name", TEXT)
def test_each_text_gives_the_hidden_states_of_transformers_also_in_company(name: str, tmp_path: Path) -> None:
    model = text_checkpoint(name, tmp_path)
    model = model.get_encoder() if name == "BART" else model
    encoder = load_text_encoder(str(tmp_path))
    batch = encoder.encode(SENTENCES)
    for sentence, states in zip(SENTENCES, batch.unpad(), strict=True):
        ids = torch.tensor([[5, *(7 + WORDS.index(word) for word in sentence.split()), 6]])
        with torch.inference_mode():
            output = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
        theirs = torch.stack([*output.hidden_states[:-1], output.last_hidden_state])[:, 0]
        assert states.shape == theirs.shape == (3, len(sentence.split()) + 2, 32)
        assert relative_gap(states.cpu(), theirs) <= 1e-5


@pytest.mark.parametrize("name", TEXT)
def test_a_text_too_long_is_cut_keeps_its_special_tokens_and_can_be_run(name: str, tmp_path: Path) -> None:
    text_checkpoint(name, tmp_path)
    word_tokenizer().save_pretrained(tmp_path)  # a tokenizer that knows no limit: the model's own counts
    encoder = load_text_encoder(str(tmp_path))
    # RoBERTa and its kin begin to count positions after their padding id
    limits = {"RoBERTa": 16, "XLM-RoBERTa": 16, "MPNet": 18, "T5 encoder": 512}
    assert encoder.longest == limits.get(name, 20)
    (ids,) = encoder.tokens(["la casa " * 400])
    assert (len(ids), ids[0], ids[-1]) == (encoder.longest, 5, 6)
    assert encoder.encode_each(["la casa " * 400])[0].shape[1] == encoder.longest


@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "XLM-RoBERTa", "ELECTRA", "DistilBERT"])
def test_tuned_layers_are_the_model_with_adapters_as_peft_merges_them(name: str, tmp_path: Path) -> None:
    model = text_checkpoint(name, tmp_path)
    encoder = load_text_encoder(str(tmp_path))
    frozen = encoder.encode(SENTENCES, [1])
    layers = TunedLayers(encoder, [1], [2], Lora(last=1, rank=4), name)
    untuned = encoder.encode(SENTENCES, [2])
    for ours, theirs in zip(layers(frozen.features, frozen.mask).detach(), untuned.unpad(), strict=True):
        assert relative_gap(ours[:, : theirs.shape[1]], theirs) <= 1e-5
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.normal_(std=0.3)
    layers.save(tmp_path / "adapter")
    merged = PeftModel.from_pretrained(model, tmp_path / "adapter").merge_and_unload()
    tuned = layers(frozen.features, frozen.mask).detach()
    for sentence, ours, before in zip(SENTENCES, tuned, untuned.unpad(), strict=True):
        ids = torch.tensor([[5, *(7 + WORDS.index(word) for word in sentence.split()), 6]])
        with torch.inference_mode():
            theirs = merged(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        assert relative_gap(ours[:, : ids.shape[1]], theirs) <= 1e-5
        assert relative_gap(before, theirs) > 0.01


@pytest.mark.parametrize("name", ["MPNet", "DeBERTa v3", "T5 encoder", "GPT-2", "ModernBERT", "ALBERT", "BART"])
def test_a_family_whose_layers_want_more_than_states_cannot_be_tuned(name: str, tmp_path: Path) -> None:
    text_checkpoint(name, tmp_path)
    with pytest.raises(InputError, match=r"has no layers that can be tuned here; these can: bert, camembert"):
        check_tunable(load_text_encoder(str(tmp_path)), "text", str(tmp_path))


def test_the_limit_of_the_tokenizer_counts_where_it_is_lower(tmp_path: Path) -> None:
    text_checkpoint("BERT", tmp_path)
    assert load_text_encoder(str(tmp_path)).longest == 18


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("BERT", "ForMaskedLM"),
        ("RoBERTa", "ForSequenceClassification"),
        ("DistilBERT", "ForMaskedLM"),
        ("T5 encoder", "ForConditionalGeneration"),
        ("ELECTRA", "ForPreTraining"),
        ("ModernBERT", "ForMaskedLM"),
    ],
)
def test_what_a_checkpoint_holds_beside_the_encoder_is_left_out(name: str, head: str, tmp_path: Path) -> None:
    model = text_checkpoint(name, tmp_path / "with-head", head=head)
    text_checkpoint(name, tmp_path / "alone")
    inner = getattr(model, model.base_model_prefix) if model.base_model_prefix != "transformer" else model
    alone = transformers.T5EncoderModel(model.config) if name == "T5 encoder" else inner
    if name == "T5 encoder":
        alone.load_state_dict({key: value for key, value in model.state_dict().items() if key in alone.state_dict()})
    alone.save_pretrained(tmp_path / "alone")
    fingerprints = {load_text_encoder(str(tmp_path / kind)).fingerprint for kind in ("with-head", "alone")}
    assert len(fingerprints) == 1


@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "XLM-RoBERTa"])
def test_a_checkpoint_with_the_names_of_2019_gives_the_same(name: str, tmp_path: Path) -> None:
    model = text_checkpoint(name, tmp_path, head="ForMaskedLM")
    fingerprint = load_text_encoder(str(tmp_path)).fingerprint
    published = {f"{model.base_model_prefix}.embeddings.position_ids": torch.arange(20)[None]}
    for key, tensor in load_file(tmp_path / "model.safetensors").items():
        old = key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        published[old] = tensor
    save_file(published, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert load_text_encoder(str(tmp_path)).fingerprint == fingerprint


def test_a_speech_model_is_no_text_encoder(tiny_whisper: Path) -> None:
    for model in (str(tiny_whisper), "whisper-base", "log-mel"):
        with pytest.raises(InputError, match="not text"):
            load_text_encoder(model)


def test_a_directory_without_a_tokenizer_is_a_sentence(tmp_path: Path) -> None:
    text_checkpoint("BERT", tmp_path)
    for file in tmp_path.glob("token*"):
        file.unlink()
    with pytest.raises(InputError, match="tokenizer"):
        load_text_encoder(str(tmp_path))


def test_a_setting_that_no_weight_tells_changes_the_fingerprint(tmp_path: Path) -> None:
    text_checkpoint("T5 encoder", tmp_path)
    before = load_text_encoder(str(tmp_path)).fingerprint
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"relative_attention_max_distance": 9}))
    assert load_text_encoder(str(tmp_path)).fingerprint != before
