"""Every family of speech encoders, from a tiny random checkpoint of its own class: equal to plain transformers."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file

from emovoz import InputError, SpeechEncoder
from emovoz.encoders import load_speech_encoder
from emovoz.encoders.tuned import TunedLayers
from emovoz.sequence import MaskedSequence
from emovoz.settings import Lora
from helpers import emovoz, relative_gap
from tiny_encoders import SPEECH, feature_extractor, speech_checkpoint, spoil_tensor, whisper_checkpoint

RATE = 16000


def of_transformers(name: str, model: Any, samples: np.ndarray) -> torch.Tensor:
    """Hidden states [layer, time, dim] of one clip, the last one as `last_hidden_state` has it."""
    inputs = feature_extractor(name)(samples, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        output = model(**inputs, output_hidden_states=True)
    return torch.stack([*output.hidden_states[:-1], output.last_hidden_state])[:, 0]


@pytest.fixture(scope="module", params=SPEECH)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, SpeechEncoder]:
    """(name, the library's model, our encoder from its checkpoint)."""
    directory = tmp_path_factory.mktemp("family")
    model = speech_checkpoint(request.param, directory)
    return request.param, model, load_speech_encoder(str(directory))


@pytest.mark.parametrize("samples", [3 * RATE, 2 * RATE + 77, 1000])
def test_one_clip_gives_the_hidden_states_of_transformers(
    family: tuple[str, Any, SpeechEncoder], speech_samples: np.ndarray, samples: int
) -> None:
    name, model, encoder = family
    theirs = of_transformers(name, model, speech_samples[:samples])
    ours = encoder.encode_each([speech_samples[:samples]])[0].cpu()
    assert ours.shape[0] == encoder.layers == 4
    # w2v-BERT's own features pad an odd number of frames, and mask what the padding reaches
    assert 0 <= theirs.shape[1] - ours.shape[1] <= 1
    assert relative_gap(ours, theirs[:, : ours.shape[1]]) <= 1e-5


def test_a_clip_has_the_same_features_alone_and_in_any_company(
    family: tuple[str, Any, SpeechEncoder], speech_samples: np.ndarray
) -> None:
    _, _, encoder = family
    clips = [speech_samples[: int(seconds * RATE)] for seconds in (2.0, 0.025, 6.0, 3.3, 0.5)]
    batch = encoder.encode(clips)
    assert not bool(batch.features.masked_select(~batch.mask[:, None, :, None]).any())
    for clip, states in zip(clips, batch.unpad(), strict=True):
        alone = encoder.encode_each([clip])[0]
        assert states.shape == alone.shape
        # a frame every 20 ms, less what the last one would need beyond the end
        assert 0 <= len(clip) / RATE * 50 - states.shape[1] < 2 or states.shape[1] == 1
        assert relative_gap(states, alone) <= 1e-5


def test_tuned_layers_are_the_encoder_with_adapters_as_peft_merges_them(
    family: tuple[str, Any, SpeechEncoder], speech_samples: np.ndarray, tmp_path: Path
) -> None:
    name, model, encoder = family
    given, mixed = (0, 1), (3, 0, 2)
    clips = [speech_samples[: int(seconds * RATE)] for seconds in (2.0, 0.5, 3.3)]
    frozen = encoder.encode(clips, given)
    layers = TunedLayers(encoder, given, mixed, Lora(last=2, rank=4), name)
    untuned = encoder.encode(clips, mixed)
    with torch.no_grad():
        assert_alike(MaskedSequence(layers(frozen.features, frozen.mask), frozen.mask).unpad(), untuned.unpad())
        for parameter in layers.parameters():
            parameter.normal_(std=0.3)
        tuned = MaskedSequence(layers(frozen.features, frozen.mask), frozen.mask).unpad()
    layers.save(tmp_path)
    # merged, because the library's WavLM reads the weights of its projections and never calls them
    theirs = PeftModel.from_pretrained(copy.deepcopy(model), tmp_path).merge_and_unload()
    states = [of_transformers(name, theirs, clip)[list(mixed)] for clip in clips]
    assert_alike(tuned, [state[:, : ours.shape[1]] for state, ours in zip(states, tuned, strict=True)])
    assert relative_gap(tuned[0][:1], untuned.unpad()[0][:1]) > 0.01
    # the encoder itself is as it was
    assert_alike(encoder.encode(clips, mixed).unpad(), untuned.unpad())


def assert_alike(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert relative_gap(one, other) <= 1e-5


def test_what_follows_a_clip_in_time_changes_it_only_within_reach(
    family: tuple[str, Any, SpeechEncoder], speech_samples: np.ndarray
) -> None:
    _, _, encoder = family
    long = speech_samples[: 50 * RATE]
    states = encoder.encode_each([long], [2])[0]
    first = encoder.encode_each([long[: 30 * RATE]], [2])[0]
    second = encoder.encode_each([long[25 * RATE :]], [2])[0]
    # windows of 30 s overlap by 5 s and are joined in the middle of the overlap, at frame 1375
    torch.testing.assert_close(states[:, :1375], first[:, :1375], rtol=0, atol=1e-4)
    torch.testing.assert_close(states[:, 1375:], second[:, 125:], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("wav2vec 2.0 base", "ForPreTraining"),
        ("XLS-R", "ForCTC"),
        ("HuBERT large", "ForCTC"),
        ("WavLM base", "ForSequenceClassification"),
        ("data2vec-audio", "ForCTC"),
        ("w2v-BERT 2.0", "ForCTC"),
    ],
)
def test_a_checkpoint_with_its_training_head_gives_the_same_as_the_model_alone(
    name: str, head: str, tmp_path: Path
) -> None:
    model = speech_checkpoint(name, tmp_path / "with-head", head=head, vocab_size=9)
    getattr(model, model.base_model_prefix).save_pretrained(tmp_path / "alone")
    fingerprints = {load_speech_encoder(str(tmp_path / kind)).fingerprint for kind in ("with-head", "alone")}
    assert len(fingerprints) == 1


@pytest.mark.parametrize("name", ["XLS-R", "HuBERT large", "WavLM base", "WavLM large"])
def test_a_checkpoint_with_the_names_of_2021_gives_the_same(name: str, tmp_path: Path) -> None:
    speech_checkpoint(name, tmp_path, head="ForCTC", vocab_size=9)
    fingerprint = load_speech_encoder(str(tmp_path)).fingerprint
    tensors = load_file(tmp_path / "model.safetensors")
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    published = dict(tensors)
    for new, old in names.items():
        published = {key.replace(new, old): tensor for key, tensor in published.items()}
    assert set(published) != set(tensors)
    save_file(published, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert load_speech_encoder(str(tmp_path)).fingerprint == fingerprint


@pytest.mark.parametrize("setting", [{"do_normalize": False}, {"sampling_rate": 8000}])
def test_the_preprocessing_is_that_of_the_checkpoint_and_part_of_the_fingerprint(
    tmp_path: Path, speech_samples: np.ndarray, setting: dict[str, Any]
) -> None:
    model = speech_checkpoint("WavLM base", tmp_path)
    usual = load_speech_encoder(str(tmp_path)).fingerprint
    transformers.Wav2Vec2FeatureExtractor(**setting).save_pretrained(tmp_path)
    encoder = load_speech_encoder(str(tmp_path))
    assert encoder.fingerprint != usual
    assert encoder.sample_rate == setting.get("sampling_rate", 16000)
    if "do_normalize" in setting:
        samples = speech_samples[:RATE]
        with torch.inference_mode():
            theirs = model(torch.from_numpy(samples)[None], output_hidden_states=True).hidden_states[1]
        torch.testing.assert_close(encoder.encode_each([samples], [1])[0], theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fault", ["missing", "extra", "shape"])
@pytest.mark.parametrize("name", ["wav2vec 2.0 base", "w2v-BERT 2.0"])
def test_a_wrong_tensor_is_named(tmp_path: Path, name: str, fault: str) -> None:
    speech_checkpoint(name, tmp_path)
    weights = tmp_path / "model.safetensors"
    there = next(key for key in load_file(weights) if key.endswith("layers.1.final_layer_norm.weight"))
    tensor = spoil_tensor(weights, fault, there, there.replace("layers.1", "layers.9"))
    with pytest.raises(InputError, match=tensor.replace(".", r"\.")):
        load_speech_encoder(str(tmp_path))


@pytest.mark.parametrize("bands", [80, 128])
def test_whisper_of_another_size(tmp_path: Path, speech_samples: np.ndarray, bands: int) -> None:
    model = whisper_checkpoint(tmp_path, bands)
    samples = speech_samples[: 30 * RATE]
    mel = transformers.WhisperFeatureExtractor(feature_size=bands)(samples, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        theirs = model.encoder(mel["input_features"], output_hidden_states=True).hidden_states
    ours = load_speech_encoder(str(tmp_path)).encode_each([samples])[0].cpu()
    assert relative_gap(ours, torch.stack(theirs)[:, 0]) <= 1e-4


def test_check_runs_one_from_a_directory(tmp_path: Path) -> None:
    speech_checkpoint("WavLM base", tmp_path)
    done = emovoz("encoders", "--check", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "4 x 49 x 32" in done.stdout


def test_clips_of_many_lengths_go_through_several_threads_as_through_one(
    family: tuple[str, Any, SpeechEncoder], speech_samples: np.ndarray
) -> None:
    _, _, encoder = family
    clips = [speech_samples[: RATE + 640 * i] for i in range(40)]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        together = encoder.encode_each(clips)
    finally:
        torch.set_num_threads(before)
    assert all(
        torch.equal(states, encoder.encode_each([clip])[0]) for states, clip in zip(together, clips, strict=True)
    )


def test_the_fingerprint_is_the_same_with_any_number_of_threads(
    family: tuple[str, Any, SpeechEncoder], tmp_path: Path
) -> None:
    _, model, encoder = family
    model.save_pretrained(tmp_path)
    feature_extractor(family[0]).save_pretrained(tmp_path)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            assert load_speech_encoder(str(tmp_path)).fingerprint == encoder.fingerprint, threads
    finally:
        torch.set_num_threads(before)
