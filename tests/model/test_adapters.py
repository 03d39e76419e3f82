"""Adapters: the formulas, where they stand, and to which width they bring a branch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emovoz import Corpus, FeatureStore, Recipe, train
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.model.branch import Branch
from emovoz.sequence import MaskedSequence
from emovoz.settings import Model

SHAPES = {"speech": (2, 9), "text": (3, 6)}


def branch(**settings: Any) -> Branch:
    torch.manual_seed(0)
    made = Branch(2, 9, **{"layer_mix": "weighted", "layer_norm": True, **settings}).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def normalised(frames: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    centred = frames - frames.mean(-1, keepdims=True)
    scaled: np.ndarray = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias
    return scaled


@pytest.mark.parametrize("adapter", ["linear", "nonlinear"])
@pytest.mark.parametrize("width", [None, 4, 9, 20])
def test_an_adapter_is_a_linear_layer_with_layer_norm_and_relu_only_where_it_is_nonlinear(
    adapter: str, width: int | None
) -> None:
    made = branch(adapter=adapter, width=width)
    state = {name: tensor.double().numpy() for name, tensor in made.state_dict().items()}
    features = torch.randn(3, 2, 5, 9)
    mask = torch.ones(3, 5, dtype=torch.bool)
    with torch.no_grad():
        result = made(features, mask)
    shares = np.exp(state["mix.layer_weights"]) / np.exp(state["mix.layer_weights"]).sum()
    mixed = np.einsum("bltd,l->btd", features.double().numpy(), shares)
    frames = normalised(mixed, state["norm.weight"], state["norm.bias"])
    expected = normalised(
        frames @ state["project.0.weight"].T + state["project.0.bias"],
        state["project.1.weight"],
        state["project.1.bias"],
    )
    expected = np.maximum(expected, 0) if adapter == "nonlinear" else expected
    assert made.out_dim == expected.shape[2] == (width or 9)
    np.testing.assert_allclose(result.features.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert (expected < 0).any() == (adapter == "linear")
    assert result.mask is mask


def test_without_an_adapter_a_plain_linear_layer_stands_only_where_widths_differ() -> None:
    assert [*branch(width=4).project.state_dict()] == ["weight", "bias"]
    assert not [*branch(width=9).project.state_dict(), *branch().project.state_dict()]


def test_an_adapter_comes_after_the_front_end() -> None:
    made = branch(front_end="vgg", vgg_channels=[4], adapter="linear", width=7)
    # nine bands become five, four channels each
    assert made.project.get_parameter("0.weight").shape == (7, 20)
    features = torch.randn(1, 2, 8, 9)
    mask = torch.ones(1, 8, dtype=torch.bool)
    with torch.no_grad():
        result = made(features, mask)
        assert made.front_end is not None
        before = made.front_end(MaskedSequence(made.norm(made.mix(features)), mask))
    assert result.features.shape == (1, 4, 7)
    torch.testing.assert_close(result.features, made.project(before.features))


@pytest.mark.parametrize(
    ("settings", "speech", "text"),
    [
        ({"speech_adapter": "linear"}, 9, 9),
        ({"text_adapter": "nonlinear"}, 9, 9),
        ({"speech_adapter": "linear", "text_adapter": "linear", "width": 5}, 5, 5),
        ({"speech_adapter": "linear", "fusion": "pooled"}, 9, 6),
        ({"text_adapter": "linear", "fusion": "pooled"}, 9, 6),
    ],
)
def test_an_adapter_goes_to_the_width_or_to_that_which_fusion_needs_or_keeps_its_own(
    settings: dict[str, Any], speech: int, text: int
) -> None:
    head = EmotionHead(EmotionHeadConfig.of(Model(**settings), SHAPES, ["anger", "joy"]))
    assert {name: made.out_dim for name, made in head.branches.items()} == {"speech": speech, "text": text}
    for name in SHAPES:
        adapted = settings.get(f"{name}_adapter", "none") != "none"
        assert (f"branches.{name}.project.1.weight" in head.state_dict()) == adapted
    batch = {
        "speech": torch.randn(2, 2, 5, 9),
        "speech_mask": torch.ones(2, 5, dtype=torch.bool),
        "text": torch.randn(2, 3, 4, 6),
        "text_mask": torch.ones(2, 4, dtype=torch.bool),
    }
    assert head(**batch).logits.shape == (2, 2)
    assert not head.pooling_is_fixed


@pytest.mark.parametrize("adapter", ["linear", "nonlinear"])
def test_a_recipe_trains_adapters_on_both_branches(
    adapter: str, demo: Corpus, tiny_whisper: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    clips = Corpus([clip for clip in demo if clip.label in ("anger", "joy")][:12])
    settings = [f"speech.model={tiny_whisper}", f"text.model={tiny_bert}", "speech.layers=all", "text.layers=all"]
    settings += [f"model.speech_adapter={adapter}", f"model.text_adapter={adapter}", "model.width=10"]
    settings += ["model.standardise=false", "training.epochs=2", "training.dev_fraction=0", "training.weight_decay=0"]
    recipe = Recipe.load("default-gradient", settings)
    recognizer = train(clips, recipe, store=FeatureStore(tmp_path / "store"))
    norms = [recognizer.head.get_parameter(f"branches.{name}.project.1.weight") for name in SHAPES]
    assert all((norm != 1).any() for norm in norms), "what is adapted has learned"
