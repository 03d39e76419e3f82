"""The last layers of an encoder with adapters in them."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch.nn.functional import mse_loss
from transformers import WhisperFeatureExtractor, WhisperModel

from emovoz import InputError, SpeechEncoder
from emovoz.encoders import load_speech_encoder, load_text_encoder
from emovoz.encoders.tuned import WEIGHTS, TunedLayers, check_tunable
from emovoz.sequence import MaskedSequence
from emovoz.settings import Lora
from helpers import relative_gap

RATE = 16000


@pytest.fixture
def encoder(tiny_whisper: Path) -> Any:
    return load_speech_encoder(str(tiny_whisper))


def tuned(encoder: SpeechEncoder, **lora: Any) -> TunedLayers:
    """Layer 2 with adapters that change something."""
    layers = TunedLayers(encoder, [1], [1, 2], Lora(last=1, **lora), "tiny")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.normal_(std=0.3)
    return layers


def test_whisper_with_adapters_is_what_peft_makes_of_it(
    encoder: Any, tiny_whisper: Path, speech_samples: np.ndarray, tmp_path: Path
) -> None:
    layers = tuned(encoder)
    # 30 s, for which the library's own forward is made
    samples = speech_samples[: 30 * RATE]
    frozen = encoder.encode([samples], [1])
    layers.save(tmp_path)
    library = WhisperModel.from_pretrained(tiny_whisper).encoder
    theirs = PeftModel.from_pretrained(library, tmp_path).get_base_model()
    mel = WhisperFeatureExtractor()(samples, sampling_rate=RATE, return_tensors="pt")["input_features"]
    with torch.inference_mode():
        ours = layers(frozen.features, frozen.mask)[0]
        states = torch.stack(theirs(mel, output_hidden_states=True).hidden_states)[1:, 0]
    assert relative_gap(ours, states) <= 1e-4
    assert relative_gap(encoder.encode([samples], [2]).features[0], states[1:]) > 0.01


def test_training_reaches_the_adapters_alone_and_leaves_the_encoder_as_it_was(
    encoder: Any, speech_samples: np.ndarray
) -> None:
    before = {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}
    layers = tuned(encoder, rank=4)
    assert {(name.rsplit("-", 1)[1], tuple(p.shape)) for name, p in layers.named_parameters()} == {
        ("q_proj.A.weight", (4, 32)),
        ("q_proj.B.weight", (32, 4)),
        ("v_proj.A.weight", (4, 32)),
        ("v_proj.B.weight", (32, 4)),
    }
    frozen = encoder.encode([speech_samples[:RATE], speech_samples[: 2 * RATE]], [1])
    optimiser = torch.optim.SGD(layers.train().parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        made = layers(frozen.features.clone(), frozen.mask)[frozen.mask[:, None].expand(-1, 2, -1)][:, :4]
        loss = mse_loss(made, torch.ones_like(made))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in layers.parameters())
    after = encoder.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not [name for name, parameter in encoder.model.named_parameters() if parameter.requires_grad]


def test_only_the_adapters_drop_anything_out(tiny_bert: Path) -> None:
    # every dropout of this checkpoint is 0.1
    assert json.loads((tiny_bert / "config.json").read_text())["hidden_dropout_prob"] == 0.1
    encoder = load_text_encoder(str(tiny_bert))
    frozen = encoder.encode(["qué alegría", "no"], [0])
    with torch.no_grad():
        for dropout, alike in ((0.0, True), (0.5, False)):
            layers = TunedLayers(encoder, [0], [2], Lora(last=2, dropout=dropout), "tiny")
            for parameter in layers.parameters():
                parameter.normal_()
            calm = layers.eval()(frozen.features, frozen.mask)
            assert torch.equal(layers.train()(frozen.features, frozen.mask), calm) is alike
            assert torch.equal(layers.eval()(frozen.features, frozen.mask), calm)


def test_a_clip_gives_the_same_alone_and_in_any_company(encoder: Any, speech_samples: np.ndarray) -> None:
    layers = tuned(encoder)
    clips = [speech_samples[: int(seconds * RATE)] for seconds in (2.0, 0.2, 35.0)]
    batch = encoder.encode(clips, [1])
    with torch.no_grad():
        together = MaskedSequence(layers(batch.features, batch.mask), batch.mask)
        assert not bool(together.features.masked_select(~batch.mask[:, None, :, None]).any())
        for clip, states in zip(clips, together.unpad(), strict=True):
            one = encoder.encode([clip], [1])
            assert relative_gap(states, layers(one.features, one.mask)[0]) <= 1e-5


def test_a_batch_of_clips_without_the_modality_has_states_that_mean_nothing(encoder: Any) -> None:
    features, mask = torch.zeros(3, 1, 0, 32), torch.zeros(3, 0, dtype=torch.bool)
    assert tuned(encoder)(features, mask).shape == (3, 2, 0, 32)
    none = torch.zeros(3, 1, 5, 32), torch.zeros(3, 5, dtype=torch.bool)
    assert not tuned(encoder)(*none).any()


@pytest.mark.parametrize("windows", [3, 4.3])
def test_a_long_clip_gives_the_same_in_pieces_that_are_whole_windows(encoder: Any, windows: float) -> None:
    hop, head = encoder.window_frames - encoder.overlap_frames, encoder.overlap_frames // 2
    frames = round(windows * hop) + encoder.overlap_frames
    states = torch.randn(1, 1, frames, 32)
    layers = tuned(encoder)
    cut = 2 * hop + head
    with torch.no_grad():
        whole = layers(states, torch.ones(1, frames, dtype=torch.bool))
        parts = [
            layers(piece, torch.ones(1, piece.shape[2], dtype=torch.bool), later=later)
            for piece, later in ((states[:, :, :cut], False), (states[:, :, cut:], True))
        ]
    torch.testing.assert_close(torch.cat(parts, dim=2), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fault", ["missing", "extra", "shape", "damaged", "gone"])
def test_wrong_adapters_are_named(encoder: Any, tmp_path: Path, fault: str) -> None:
    tuned(encoder).save(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    name = "base_model.model.layers.1.self_attn.v_proj.lora_A.weight"
    told = {"missing": f"tensor {name} is missing", "shape": f"{name} has shape [7, 32], expected [8, 32]"}
    told |= {"extra": "tensor other does not belong to these adapters"}
    if fault == "missing":
        del tensors[name]
    elif fault == "extra":
        tensors["other"] = torch.zeros(1)
    elif fault == "shape":
        tensors[name] = tensors[name][:-1].contiguous()
    save_file(tensors, tmp_path / WEIGHTS)
    if fault == "damaged":
        (tmp_path / WEIGHTS).write_bytes(b"no tensors")
    elif fault == "gone":
        (tmp_path / WEIGHTS).unlink()
    with pytest.raises(InputError) as caught:
        tuned(encoder).load(tmp_path)
    assert told.get(fault, "the adapters of tiny cannot be read") in str(caught.value)


def test_adapters_come_back_as_they_were_saved(encoder: Any, tmp_path: Path) -> None:
    layers, other = tuned(encoder), TunedLayers(encoder, [1], [1, 2], Lora(last=1), "tiny")
    layers.save(tmp_path)
    assert other.digest != layers.digest
    other.load(tmp_path)
    assert other.digest == layers.digest
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), layers.parameters(), strict=True))
    # the same weights with another alpha are other adapters
    assert tuned(encoder, alpha=4).digest != layers.digest
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (settings["peft_type"], settings["r"], settings["lora_alpha"]) == ("LORA", 8, 16)


def test_what_has_no_layers_and_a_missing_extra_are_sentences(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"speech\.lora: log-mel .*has no layers that can be tuned"):
        check_tunable(load_speech_encoder("log-mel"), "speech", "log-mel")
    check_tunable(encoder, "speech", "tiny")
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"pip install 'emovoz\[lora\]'"):
        check_tunable(encoder, "speech", "tiny")
