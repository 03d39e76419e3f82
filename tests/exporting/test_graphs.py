"""The graphs by themselves: over padded batches they give what the encoders and the head give for each clip alone."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from emovoz.encoders import load_speech_encoder, load_text_encoder
from emovoz.exporting import speech, text
from emovoz.exporting.head import HeadGraph, averaged, example_inputs, rounded
from emovoz.exporting.onnx_file import Port, quantise, write_graph
from emovoz.features.branch import mean_of
from emovoz.features.store import stored
from heads import SHAPES, make_batch, make_head
from helpers import relative_gap
from tiny_encoders import speech_checkpoint, text_checkpoint, whisper_checkpoint

SAMPLES = (400, 7001, 16001, 30123)
WAVEFORM = [Port(name, ("batch", "samples"), "") for name in ("waveform", "waveform_mask")]
TOKENS = [Port(name, ("batch", "tokens"), "") for name in ("input_ids", "attention_mask")]


def session(module: nn.Module, file: Path, inputs: dict[str, Any], ports: Sequence[Port], outputs: list[str]) -> Any:
    """A module as a graph that runs."""
    write_graph(module, file, inputs, ports, [Port(name, ("batch",), "") for name in outputs], {})
    return onnxruntime.InferenceSession(file)


def noise(lengths: Sequence[int]) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [(0.05 + 0.1 * random.standard_normal(length)).astype(np.float32) for length in lengths]


def speech_session(directory: Path, layers: list[int], file: Path) -> Any:
    samples = torch.rand(2, 16001)
    inputs = {"waveform": samples, "waveform_mask": torch.ones(samples.shape, dtype=torch.bool)}
    graph = speech.graph_of(load_speech_encoder(str(directory)), layers)
    return session(graph, file, inputs, WAVEFORM, ["speech", "speech_mask"])


@pytest.mark.parametrize(
    "name", ["Whisper", "wav2vec 2.0 base", "XLS-R", "MMS", "HuBERT base", "data2vec-audio", "log-mel"]
)
def test_a_clip_in_a_padded_batch_has_the_features_that_the_encoder_gives_it_alone(name: str, tmp_path: Path) -> None:
    directory = Path("log-mel") if name == "log-mel" else tmp_path / "model"
    if name == "Whisper":
        whisper_checkpoint(directory, 128)
    elif name != "log-mel":
        speech_checkpoint(name, directory)
    encoder = load_speech_encoder(str(directory))
    layers = [0] if encoder.layers == 1 else [0, encoder.layers - 1]
    graph = speech_session(directory, layers, tmp_path / "speech.onnx")
    clips = noise(SAMPLES)
    # what lies behind a clip's end is no silence
    waveform = np.full((len(clips), max(SAMPLES)), 7, np.float32)
    mask = np.zeros(waveform.shape, bool)
    for row, real, clip in zip(waveform, mask, clips, strict=True):
        row[: len(clip)], real[: len(clip)] = clip, True
    features, frames = graph.run(None, {"waveform": waveform, "waveform_mask": mask})
    for row, real, expected in zip(features, frames, encoder.encode_each(clips, layers), strict=True):
        assert relative_gap(torch.from_numpy(row[:, real]), expected) < 1e-5
        assert not row[:, ~real].any()


@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "XLM-RoBERTa", "ELECTRA", "DistilBERT"])
def test_a_text_in_a_padded_batch_has_the_features_that_the_encoder_gives_it_alone(name: str, tmp_path: Path) -> None:
    text_checkpoint(name, tmp_path / "model")
    encoder = load_text_encoder(str(tmp_path / "model"))
    texts = ["", "qué alegría", "no sí hola la casa y él " * 9]
    tokens = encoder.tokens(texts)
    ids = torch.tensor(tokens[1:2]).repeat(2, 1)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    graph = session(text.TextGraph(encoder, [0, 2]), tmp_path / "text.onnx", inputs, TOKENS, ["text", "text_mask"])
    padded = np.full((3, max(map(len, tokens))), 3)
    mask = np.zeros_like(padded)
    for row, real, own in zip(padded, mask, tokens, strict=True):
        row[: len(own)], real[: len(own)] = own, 1
    features, real = graph.run(None, {"input_ids": padded, "attention_mask": mask})
    for row, own, expected in zip(features, real, encoder.encode_each(texts, [0, 2]), strict=True):
        assert relative_gap(torch.from_numpy(row[:, own]), expected) < 1e-5


@pytest.mark.parametrize(
    "settings",
    [
        {"pooling": "mean_quantiles", "fusion": "late", "standardise": True},
        {"pooling": "attention", "fusion": "time", "hidden_layers": 3},
        {"pooling": "double_multi_head_attention", "fusion": "cross_attention", "sequence": "transformer"},
        {"pooling": "attentive_statistics", "fusion": "gated", "front_end": "vgg", "vgg_channels": [4]},
    ],
)
def test_the_head_decides_in_a_graph_as_in_torch(settings: dict[str, Any], tmp_path: Path) -> None:
    shapes = SHAPES if "front_end" not in settings else {"speech": (1, 8), "text": (2, 4)}
    branches = {name: SimpleNamespace(stride=1, precision="float32") for name in shapes}
    encoders: Any = SimpleNamespace(branches=branches)
    head = make_head(shapes, **settings)
    ports = [
        Port(name, axes, "")
        for of in shapes
        for name, axes in ((of, ("batch", "layer", f"{of}_frames", "dim")), (f"{of}_mask", ("batch", f"{of}_frames")))
    ]
    inputs = example_inputs(head)
    outputs = ["logits", "probabilities"]
    graph = session(HeadGraph(head, encoders, 2.0).eval(), tmp_path / "head.onnx", inputs, ports, outputs)
    # the third has no words, the last no sound; the second batch is one frame of one clip
    for lengths in [((5, 3), (30, 2), (9, 0), (0, 4)), ((1, 1),)]:
        batch = make_batch(*lengths, shapes=shapes)
        with torch.no_grad():
            expected = head(**batch).logits
        logits, probabilities = graph.run(None, {name: values.numpy() for name, values in batch.items()})
        np.testing.assert_allclose(logits, expected.numpy(), atol=1e-5)
        np.testing.assert_allclose(probabilities, (expected / 2).softmax(1).numpy(), atol=1e-6)


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_frames_are_averaged_as_the_store_averages_them(stride: int) -> None:
    batch = make_batch((1, 1), (7, 1), (12, 1))
    means, mask = averaged(batch["speech"], batch["speech_mask"], stride)
    for row, real, features, own in zip(means, mask, batch["speech"], batch["speech_mask"], strict=True):
        assert torch.allclose(row[:, real], mean_of(features[:, own], stride), atol=1e-6)


def test_features_are_rounded_as_the_store_rounds_them() -> None:
    features = torch.randn(2, 2, 5, 3)
    features[1, 0, 2, 1] = 1e6
    for row, expected in zip(rounded(features), features, strict=True):
        assert torch.equal(row, stored(expected).float())


def test_int8_is_smaller_and_stays_near(tmp_path: Path) -> None:
    whisper_checkpoint(tmp_path / "model", 80)
    exact = speech_session(tmp_path / "model", [4], tmp_path / "speech.onnx")
    clip = noise([16000])[0][None]
    inputs = {"waveform": clip, "waveform_mask": np.ones(clip.shape, bool)}
    expected, size = exact.run(None, inputs)[0], (tmp_path / "speech.onnx.data").stat().st_size
    quantise(tmp_path / "speech.onnx")
    found = onnxruntime.InferenceSession(tmp_path / "speech.onnx").run(None, inputs)[0]
    assert (tmp_path / "speech.onnx.data").stat().st_size < 0.9 * size
    gap = relative_gap(torch.from_numpy(found[0]), torch.from_numpy(expected[0]))
    assert 0 < gap < 0.1
