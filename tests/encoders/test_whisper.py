"""The Whisper encoder: equal to the library's own, exact in batches, whole over long clips."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperModel
from transformers.audio_utils import mel_filter_bank
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emovoz import InputError, SpeechEncoder
from emovoz.encoders import load_speech_encoder
from emovoz.encoders.fingerprint import weights_digest
from emovoz.encoders.log_mel import log_mel, mel_filters
from emovoz.encoders.packed import pack, unpacked
from emovoz.encoders.sources import directory_of, locate
from helpers import relative_gap
from tiny_encoders import spoil_tensor

RATE = 16000


@pytest.mark.parametrize(("bands", "fft"), [(80, 400), (128, 400), (80, 2048)])
def test_mel_filters_are_those_of_the_library_to_the_bit(bands: int, fft: int) -> None:
    theirs = mel_filter_bank(1 + fft // 2, bands, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")
    np.testing.assert_array_equal(mel_filters(bands, fft).numpy(), theirs.T.astype(np.float32))


def test_log_mel_is_that_of_the_library(speech_samples: np.ndarray) -> None:
    samples = speech_samples[: 30 * RATE]
    theirs = WhisperFeatureExtractor()(samples, sampling_rate=RATE, return_tensors="np")["input_features"][0]
    ours = log_mel(torch.from_numpy(samples), mel_filters(80))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_thirty_seconds_give_the_hidden_states_of_transformers(
    whisper: SpeechEncoder, speech_samples: np.ndarray
) -> None:
    samples = speech_samples[: 30 * RATE]
    mel = log_mel(torch.from_numpy(samples), mel_filters(80))[None]
    model = WhisperEncoder.from_pretrained(directory_of(locate("whisper-base")), dtype=torch.float32).eval()
    # laid out as ours is, for the last layer makes much of another rounding
    pack(model.requires_grad_(False))
    with torch.inference_mode():
        theirs = torch.stack(model(mel, output_hidden_states=True).hidden_states)[:, 0]
    ours = whisper.encode_each([samples])[0].cpu()
    assert ours.shape == (7, 1500, 512)
    assert relative_gap(ours, theirs) <= 1e-5


def test_a_local_directory_gives_what_transformers_gives_from_it(
    tiny_whisper: Path, speech_samples: np.ndarray
) -> None:
    samples = speech_samples[: 30 * RATE]
    model = WhisperModel.from_pretrained(tiny_whisper).encoder.eval()
    mel = log_mel(torch.from_numpy(samples), mel_filters(80))[None]
    with torch.inference_mode():
        theirs = torch.stack(model(mel, output_hidden_states=True).hidden_states)[:, 0]
    ours = load_speech_encoder(str(tiny_whisper)).encode_each([samples])[0].cpu()
    assert relative_gap(ours, theirs) <= 1e-5


def test_a_clip_has_the_same_features_alone_and_in_any_company(
    whisper: SpeechEncoder, speech_samples: np.ndarray
) -> None:
    seconds = [2.0, 0.03, 20.0, 3.3, 2.01, 0.5]
    clips = [speech_samples[: int(s * RATE)] for s in seconds]
    together = whisper.encode(clips)
    assert together.mask.sum(1).tolist() == [100, 1, 1000, 165, 100, 25]
    for clip, states in zip(clips, together.unpad(), strict=True):
        assert relative_gap(states, whisper.encode_each([clip])[0]) <= 1e-5


def test_padding_frames_are_false_in_the_mask_and_zero(whisper: SpeechEncoder, speech_samples: np.ndarray) -> None:
    batch = whisper.encode([speech_samples[:RATE], speech_samples[: 3 * RATE]], [0, 6])
    assert batch.features.shape == (2, 2, 150, 512)
    assert batch.mask[0].sum() == 50
    assert float(batch.features[0, :, 50:].abs().max()) == 0


def test_chosen_layers_are_those_of_the_whole(whisper: SpeechEncoder, speech_samples: np.ndarray) -> None:
    clip = speech_samples[: 2 * RATE]
    whole, some = whisper.encode_each([clip])[0], whisper.encode_each([clip], [4, 2])[0]
    torch.testing.assert_close(some, whole[[4, 2]], rtol=0, atol=0)


def test_a_long_clip_goes_through_in_windows_that_join(whisper: SpeechEncoder, speech_samples: np.ndarray) -> None:
    long = speech_samples[: 50 * RATE]
    states = whisper.encode_each([long], [3])[0]
    assert states.shape == (1, 2500, 512)
    first = whisper.encode_each([long[: 30 * RATE]], [3])[0]
    second = whisper.encode_each([long[25 * RATE :]], [3])[0]
    # windows of 30 s overlap by 5 s and are joined in the middle of the overlap, at 27.5 s
    torch.testing.assert_close(states[:, :1375], first[:, :1375], rtol=0, atol=1e-4)
    torch.testing.assert_close(states[:, 1375:], second[:, 125:], rtol=0, atol=1e-4)


def test_the_fingerprint_is_of_the_values_not_of_the_packaging(tiny_whisper: Path, tmp_path: Path) -> None:
    WhisperModel.from_pretrained(tiny_whisper).encoder.save_pretrained(tmp_path / "encoder-alone")
    fingerprint = load_speech_encoder(str(tiny_whisper)).fingerprint
    assert load_speech_encoder(str(tmp_path / "encoder-alone")).fingerprint == fingerprint


def test_the_fingerprint_of_the_packaged_weights_is_what_stored_features_are_kept_under(whisper: SpeechEncoder) -> None:
    assert whisper.kindred["float32"] == "da08d8d24803087ed55e0f88ed4dd44b"


def test_the_tensors_are_those_of_transformers_by_name_and_value(tiny_whisper: Path) -> None:
    ours = unpacked(load_speech_encoder(str(tiny_whisper))).model
    assert weights_digest(ours) == weights_digest(WhisperModel.from_pretrained(tiny_whisper).encoder)


def test_weights_in_several_files_are_the_same_encoder(tiny_whisper: Path, tmp_path: Path) -> None:
    whole = WhisperForConditionalGeneration.from_pretrained(tiny_whisper)
    whole.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len([*tmp_path.glob("*.safetensors")]) > 5
    assert load_speech_encoder(str(tmp_path)).fingerprint == load_speech_encoder(str(tiny_whisper)).fingerprint


def test_a_configuration_tells_only_what_is_not_usual(tiny_whisper: Path, tmp_path: Path) -> None:
    """As those of checkpoints on the hub, which leave out what the library of their time took for granted."""
    told = json.loads((tiny_whisper / "config.json").read_text())
    usual = {"num_mel_bins": 80, "max_source_positions": 1500, "activation_function": "gelu"}
    assert {name: told.pop(name) for name in usual} == usual
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "model.safetensors").symlink_to(tiny_whisper / "model.safetensors")
    assert load_speech_encoder(str(tmp_path)).fingerprint == load_speech_encoder(str(tiny_whisper)).fingerprint


def test_an_activation_that_is_not_gelu_is_that_of_the_library(tmp_path: Path, speech_samples: np.ndarray) -> None:
    sizes: dict[str, Any] = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 24}
    model = WhisperEncoder(WhisperConfig(**sizes, activation_function="relu")).eval()
    model.save_pretrained(tmp_path)
    mel = log_mel(torch.from_numpy(speech_samples[: 30 * RATE]), mel_filters(80))[None]
    with torch.inference_mode():
        theirs = torch.stack(model(mel, output_hidden_states=True).hidden_states)[:, 0]
    ours = load_speech_encoder(str(tmp_path)).encode_each([speech_samples[: 30 * RATE]])[0].cpu()
    assert relative_gap(ours, theirs) <= 1e-5


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"encoder_attention_heads": 5}, "5 heads do not divide a width of 32"),
        ({"d_model": "wide"}, "d_model: .*integer"),
        ({"activation_function": "none such"}, "none such"),
    ],
)
def test_a_configuration_that_cannot_be_is_told(
    tiny_whisper: Path, tmp_path: Path, values: dict[str, object], told: str
) -> None:
    sound = json.loads((tiny_whisper / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**sound, **values}))
    (tmp_path / "model.safetensors").symlink_to(tiny_whisper / "model.safetensors")
    with pytest.raises(InputError, match=told):
        load_speech_encoder(str(tmp_path))


def test_weights_of_another_precision_are_another_encoder(tiny_whisper: Path, tmp_path: Path) -> None:
    WhisperModel.from_pretrained(tiny_whisper).half().save_pretrained(tmp_path / "half")
    fingerprint = load_speech_encoder(str(tiny_whisper)).fingerprint
    assert load_speech_encoder(str(tmp_path / "half")).fingerprint != fingerprint


def test_it_is_frozen_and_in_eval_mode(whisper: SpeechEncoder, speech_samples: np.ndarray) -> None:
    model = whisper.model  # type: ignore[attr-defined]
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not whisper.encode_each([speech_samples[:RATE]])[0].requires_grad


@pytest.mark.parametrize("fault", ["missing", "extra", "shape"])
def test_a_wrong_tensor_is_named(tiny_whisper: Path, tmp_path: Path, fault: str) -> None:
    for part in ("config.json", "model.safetensors"):
        shutil.copy(tiny_whisper / part, tmp_path)
    there, extra = (f"model.encoder.layers.{layer}.fc1.weight" for layer in (1, 9))
    name = spoil_tensor(tmp_path / "model.safetensors", fault, there, extra)
    with pytest.raises(InputError, match=name.removeprefix("model.encoder.").replace(".", r"\.")):
        load_speech_encoder(str(tmp_path))


def test_weights_in_pickle_are_refused(tiny_whisper: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((tiny_whisper / "config.json").read_text())
    torch.save(load_file(tiny_whisper / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        load_speech_encoder(str(tmp_path))
