"""The table of encoders: true of those at hand, and of one mind with transformers and with the published sizes."""

import json
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModel

from emovoz import InputError, SpeechEncoder, TextEncoder
from emovoz.encoders import KNOWN, load_speech_encoder
from emovoz.encoders.known import known_encoder
from helpers import emovoz

VOCABULARIES = {
    "multilingual-e5-small": 250037,
    "multilingual-e5-base": 250002,
    "multilingual-e5-large": 250002,
    "xlm-roberta-large-spanish": 250002,
    "bert-base-cased": 28996,
    "bert-large-cased": 28996,
    "bert-base-uncased": 30522,
    "bert-large-uncased": 30522,
    "roberta-large": 50265,
    "roberta-base-bne": 50262,
    "beto": 31002,
    "beto-sentiment": 31002,
}
FLOAT16 = ("whisper-base", "whisper-large-v3", "whisper-large-v3-turbo")
DEFAULTS = {
    "whisper-tiny": "Whisper",
    "wavlm-base": "WavLM",
    "data2vec-audio-base": "Data2VecAudio",
    "w2v-bert-2.0": "Wav2Vec2Bert",
    "bert-base-uncased": "Bert",
    "roberta-base-bne": "Roberta",
    "multilingual-e5-base": "XLMRoberta",
}
"""What the configuration classes of transformers describe by default."""


def test_the_table_is_true_of_the_encoders_at_hand(whisper: SpeechEncoder, e5: TextEncoder) -> None:
    for name, encoder in (("whisper-base", whisper), ("log-mel", load_speech_encoder("log-mel"))):
        known = KNOWN[name]
        assert (known.layers, known.dim) == (encoder.layers, encoder.dim)
        assert (known.sample_rate, known.frame_rate) == (encoder.sample_rate, encoder.frame_rate)
    known = KNOWN["multilingual-e5-small"]
    assert (known.layers, known.dim, known.prefix) == (e5.layers, e5.dim, e5.prefix)


@pytest.mark.parametrize(("name", "family"), DEFAULTS.items())
def test_the_table_agrees_with_the_configurations_of_transformers(name: str, family: str) -> None:
    config, known = getattr(transformers, f"{family}Config")(), KNOWN[name]
    assert config.model_type == known.family
    assert (config.hidden_size, config.num_hidden_layers + 1) == (known.dim, known.layers)
    if hasattr(config, "conv_stride") and family != "Wav2Vec2Bert":
        assert 16000 / prod(config.conv_stride) == known.frame_rate


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if known.hub_id])
def test_the_published_size_is_that_of_an_encoder_so_wide_and_deep(name: str) -> None:
    known = KNOWN[name]
    blocks, heads, wide = known.layers - 1, known.dim // 64, 4 * known.dim
    sizes: dict[str, Any] = {"hidden_size": known.dim, "num_hidden_layers": blocks, "num_attention_heads": heads}
    if known.family == "whisper":
        sizes |= {"encoder_ffn_dim": wide, "decoder_ffn_dim": wide, "decoder_attention_heads": heads}
        sizes |= {"decoder_layers": 4 if name.endswith("turbo") else blocks}
    else:
        sizes |= {"intermediate_size": wide}
    if name in VOCABULARIES:
        sizes["vocab_size"] = VOCABULARIES[name]
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(known.family, **sizes))
    # of the packaged Whisper only the encoder is kept
    part = model.encoder if name == "whisper-base" else model
    megabytes = sum(weight.numel() for weight in part.parameters()) * (2 if name in FLOAT16 else 4) / 1e6
    tokenizer = 17 if known.prefix else 0
    # a layer more or less makes at least 1.5 %; beside the encoder a file holds little
    assert known.megabytes == pytest.approx(megabytes + tokenizer, rel=0.01)


def test_every_encoder_is_known_by_its_short_name_and_by_its_hub_id() -> None:
    on_the_hub = [known.hub_id for known in KNOWN.values() if known.hub_id]
    assert len(set(on_the_hub)) == len(on_the_hub) == len(KNOWN) - len(("log-mel", "egemaps", "compare"))
    for name, known in KNOWN.items():
        assert known_encoder(name) is known
        assert known_encoder(known.hub_id or name) is known
    assert known_encoder("intfloat/multilingual-e5-large").prefix == "query: "  # type: ignore[union-attr]
    assert known_encoder("intfloat/e5-mistral-7b-instruct") is None
    assert known_encoder("") is None


@pytest.mark.parametrize("model", ["beto", "google-bert/bert-large-uncased"])
def test_a_known_text_encoder_is_refused_as_a_speech_encoder_before_any_download(model: str) -> None:
    with pytest.raises(InputError, match=f"^{model} encodes text, not speech"):
        load_speech_encoder(model)


def test_the_verb_prints_every_encoder_in_lines_that_fit_a_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    done = emovoz("encoders")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if " x " in line and " x width" not in line] == list(KNOWN)
    assert "xls-r-300m              25 x 1024  1270  Apache-2.0    128        hub" in lines


def test_the_verb_tells_programs_all_that_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    done = emovoz("encoders", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["encoder"]: row for row in json.loads(done.stdout)}
    assert list(rows) == list(KNOWN)
    for name, known in KNOWN.items():
        facts = asdict(known)
        told = ("family", "layers", "dim", "licence", "languages", "sample_rate", "frame_rate", "prefix")
        assert {key: rows[name][key] for key in told} == {key: facts[key] for key in told}
    assert rows["whisper-base"]["usable now"] == rows["log-mel"]["usable now"] == "yes"
    assert rows["wavlm-large"]["usable now"] == "yes, downloads 1260 MB from the hub"
    assert rows["wavlm-large"]["source here"] == "hub microsoft/wavlm-large"
