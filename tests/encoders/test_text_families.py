"""Text encoders of many families, from tiny random checkpoints of their own classes: equal to plain transformers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import PeftModel
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from emovoz import InputError
from emovoz.encoders import load_text_encoder
from emovoz.encoders.tuned import TunedLayers, check_tunable
from emovoz.settings import Lora
from helpers import relative_gap

WORDS = ["qué", "alegría", "miedo", "no", "sí", "hola", "la", "casa", "y", "él"]
BERT_LIKE = {"vocab_size": 20, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
BERT_LIKE |= {"intermediate_size": 48, "max_position_embeddings": 20}
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "BERT": ("Bert", "Model", BERT_LIKE | {"pad_token_id": 3}),
    "RoBERTa": ("Roberta", "Model", BERT_LIKE | {"pad_token_id": 3}),
    "XLM-RoBERTa": ("XLMRoberta", "Model", BERT_LIKE | {"pad_token_id": 3}),
    "MPNet": ("MPNet", "Model", BERT_LIKE | {"pad_token_id": 1}),
    "ELECTRA": ("Electra", "Model", BERT_LIKE | {"embedding_size": 16, "pad_token_id": 3}),
    "ALBERT": ("Albert", "Model", BERT_LIKE | {"embedding_size": 16, "pad_token_id": 3}),
    "DeBERTa v3": (
        "DebertaV2",
        "Model",
        BERT_LIKE | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "pad_token_id": 3},
    ),
    "DistilBERT": (
        "DistilBert",
        "Model",
        {"vocab_size": 20, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 20},
    ),
    "ModernBERT": ("ModernBert", "Model", BERT_LIKE | {"pad_token_id": 3}),
    "T5 encoder": (
        "T5",
        "EncoderModel",
        {"vocab_size": 20, "d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2, "pad_token_id": 3},
    ),
    "BART": (
        "Bart",
        "Model",
        {"vocab_size": 20, "d_model": 32, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2}
        | {"decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 20},
    ),
    "GPT-2": ("GPT2", "Model", {"vocab_size": 20, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 20}),
}
SENTENCES = ["qué alegría", "no", "la casa y él no", "", "hola hola sí"]


def tokenizer(**settings: Any) -> Any:
    """A word tokenizer whose special tokens are those of RoBERTa, at unusual places."""
    special = {"<s>": 5, "</s>": 6, "<pad>": 3, "<unk>": 4}
    vocabulary = special | {word: 7 + i for i, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 5), ("</s>", 6)])
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "pad_token": "<pad>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", **names, **settings)


def checkpoint(name: str, directory: Path, head: str | None = None) -> Any:
    """A model of random weights saved as the library saves it; the model itself."""
    family, kind, settings = FAMILIES[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**settings)
    model = getattr(transformers, f"{family}{head or kind}")(config).eval()
    model.save_pretrained(directory)
    tokenizer(model_max_length=18).save_pretrained(directory)
    return model


@pytest.mark.parametrize("name", FAMILIES)
def test_each_text_gives_the_hidden_states_of_transformers_also_in_company(name: str, tmp_path: Path) -> None:
    model = checkpoint(name, tmp_path)
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


@pytest.mark.parametrize("name", FAMILIES)
def test_a_text_too_long_is_cut_keeps_its_special_tokens_and_can_be_run(name: str, tmp_path: Path) -> None:
    checkpoint(name, tmp_path)
    tokenizer().save_pretrained(tmp_path)  # a tokenizer that knows no limit: the model's own counts
    encoder = load_text_encoder(str(tmp_path))
    # RoBERTa and its kin begin to count positions after their padding id
    limits = {"RoBERTa": 16, "XLM-RoBERTa": 16, "MPNet": 18, "T5 encoder": 512}
    assert encoder.longest == limits.get(name, 20)
    (ids,) = encoder.tokens(["la casa " * 400])
    assert (len(ids), ids[0], ids[-1]) == (encoder.longest, 5, 6)
    assert encoder.encode_each(["la casa " * 400])[0].shape[1] == encoder.longest


@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "XLM-RoBERTa", "ELECTRA", "DistilBERT"])
def test_tuned_layers_are_the_model_with_adapters_as_peft_merges_them(name: str, tmp_path: Path) -> None:
    model = checkpoint(name, tmp_path)
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
    checkpoint(name, tmp_path)
    with pytest.raises(InputError, match=r"has no layers that can be tuned here; these can: bert, camembert"):
        check_tunable(load_text_encoder(str(tmp_path)), "text", str(tmp_path))


def test_the_limit_of_the_tokenizer_counts_where_it_is_lower(tmp_path: Path) -> None:
    checkpoint("BERT", tmp_path)
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
    model = checkpoint(name, tmp_path / "with-head", head)
    checkpoint(name, tmp_path / "alone")
    inner = getattr(model, model.base_model_prefix) if model.base_model_prefix != "transformer" else model
    alone = transformers.T5EncoderModel(model.config) if name == "T5 encoder" else inner
    if name == "T5 encoder":
        alone.load_state_dict({key: value for key, value in model.state_dict().items() if key in alone.state_dict()})
    alone.save_pretrained(tmp_path / "alone")
    fingerprints = {load_text_encoder(str(tmp_path / kind)).fingerprint for kind in ("with-head", "alone")}
    assert len(fingerprints) == 1


def test_a_speech_model_is_no_text_encoder(tiny_whisper: Path) -> None:
    for model in (str(tiny_whisper), "whisper-base", "log-mel"):
        with pytest.raises(InputError, match="not text"):
            load_text_encoder(model)


def test_a_directory_without_a_tokenizer_is_a_sentence(tmp_path: Path) -> None:
    checkpoint("BERT", tmp_path)
    for file in tmp_path.glob("token*"):
        file.unlink()
    with pytest.raises(InputError, match="tokenizer"):
        load_text_encoder(str(tmp_path))


def test_a_setting_that_no_weight_tells_changes_the_fingerprint(tmp_path: Path) -> None:
    checkpoint("T5 encoder", tmp_path)
    before = load_text_encoder(str(tmp_path)).fingerprint
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"relative_attention_max_distance": 9}))
    assert load_text_encoder(str(tmp_path)).fingerprint != before
