"""The head: a clip's logits are its own, absent modalities stay absent, and what is saved is what is loaded."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from emovoz import Recognizer
from emovoz.errors import InputError
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.model.join import Standardise
from emovoz.model.layer_mix import WeightedLayers
from emovoz.sequence import MaskedSequence
from emovoz.settings import Model
from heads import FUSIONS, LABELS, MIXES, POOLINGS, SEQUENCES, SHAPES, TWO_HEADS, Batch, make_batch, make_head, row

EVERY: list[dict[str, Any]] = [
    # each sequence layer under each fusion, where the poolings take turns; then each pooling with each way of mixing
    *(
        {"fusion": fusion, "sequence": sequence, "pooling": POOLINGS[i % len(POOLINGS)], "layer_mix": MIXES[i % 2]}
        for i, (fusion, sequence) in enumerate(product(FUSIONS, SEQUENCES))
    ),
    *(
        {"fusion": fusion, "pooling": pooling, "layer_mix": mix}
        for fusion, pooling, mix in product(("time", "pooled"), POOLINGS, MIXES)
    ),
]

every_head = pytest.mark.parametrize("model", EVERY, ids=lambda model: "-".join(model.values()))


def fill_padding(batch: Batch, value: float) -> Batch:
    filled = dict(batch)
    for name in SHAPES:
        filled[name] = torch.where(batch[f"{name}_mask"][:, None, :, None], batch[name], torch.tensor(value))
    return filled


@torch.no_grad()
def logits(head: EmotionHead, batch: Batch) -> Tensor:
    result = head(**batch).logits
    assert isinstance(result, Tensor)
    return result


def test_layer_weights_are_the_softmax_of_what_was_learned() -> None:
    head = make_head()
    for name, weights in head.layer_weights.items():
        learned = head.get_parameter(f"branches.{name}.mix.layer_weights").detach().numpy()
        assert weights == pytest.approx(np.exp(learned) / np.exp(learned).sum())
    assert list(head.layer_weights) == ["speech", "text"]


def test_only_several_layers_in_a_weighted_mix_have_weights() -> None:
    assert list(make_head({"speech": (3, 8), "text": (1, 8)}).layer_weights) == ["speech"]
    assert make_head(layer_mix="concatenate").layer_weights == {}


@every_head
def test_what_is_under_the_mask_never_changes_the_logits(model: dict[str, Any]) -> None:
    head = make_head(**model)
    batch = make_batch((4, 9), (12, 3), (7, 0), (0, 5))
    expected = logits(head, batch)
    for value in (1e6, -1e6):
        torch.testing.assert_close(logits(head, fill_padding(batch, value)), expected, rtol=0, atol=1e-6)


@every_head
def test_a_clip_alone_has_the_logits_it_has_beside_one_ten_times_longer(model: dict[str, Any]) -> None:
    head = make_head(**model)
    batch = make_batch((6, 3), (60, 30))
    together = logits(head, batch)
    for index in (0, 1):
        torch.testing.assert_close(logits(head, row(batch, index))[0], together[index], rtol=0, atol=1e-5)
    assert float((together[0] - together[1]).abs().max()) > 1e-3


@every_head
@pytest.mark.parametrize("absent", ["speech", "text"])
def test_a_clip_without_a_modality_depends_on_the_other_alone(absent: str, model: dict[str, Any]) -> None:
    head = make_head(**model)
    batch = make_batch((6, 4), (6, 4))
    batch[f"{absent}_mask"][1] = False
    expected = logits(head, batch)
    assert torch.isfinite(expected).all()
    other = {**batch, absent: batch[absent].clone()}
    other[absent][1] = 1e4 * torch.randn_like(other[absent][1])
    torch.testing.assert_close(logits(head, other), expected, rtol=0, atol=1e-6)
    present = "text" if absent == "speech" else "speech"
    heard = {**batch, present: batch[present] + 1.0 * torch.arange(batch[present].shape[-1])}
    assert float((logits(head, heard)[1] - expected[1]).abs().max()) > 1e-4


@every_head
def test_gradients_are_finite_where_modalities_are_absent(model: dict[str, Any]) -> None:
    head = make_head(**model).train()
    output = head(**make_batch((5, 0), (0, 4), (5, 4)), labels=torch.tensor([0, 1, 2]))
    output.loss.backward()
    assert torch.isfinite(output.loss)
    gradients = {name: parameter.grad for name, parameter in head.named_parameters() if parameter.grad is not None}
    assert len(gradients) == len(list(head.parameters()))
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    stand_ins = [gradient for name, gradient in gradients.items() if "absent." in name]
    assert len(stand_ins) == (0 if model["fusion"] in ("pooled_attention", "gated") else 2)
    assert all(gradient.abs().max() > 0 for gradient in stand_ins), "what stands in for the absent is learned"


def test_the_loss_is_the_cross_entropy_of_the_logits() -> None:
    head, batch = make_head(), make_batch((5, 2), (3, 4))
    truth = torch.tensor([2, 0])
    scores = logits(head, batch).double().numpy()
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    expected = -np.log(probabilities[[0, 1], truth.numpy()]).mean()
    assert head(**batch, labels=truth).loss.item() == pytest.approx(expected, rel=1e-5)


def test_weighted_layers_are_a_softmax_weighted_sum() -> None:
    mix = WeightedLayers(4)
    features = torch.randn(2, 4, 5, 3)
    np.testing.assert_allclose(mix(features).detach().numpy(), features.numpy().mean(1), rtol=1e-5, atol=1e-6)
    raw = np.array([0.3, -1.0, 2.0, 0.5])
    with torch.no_grad():
        mix.layer_weights.copy_(torch.tensor(raw))
    weights = np.exp(raw) / np.exp(raw).sum()
    expected = sum(weight * features.numpy()[:, i] for i, weight in enumerate(weights))
    np.testing.assert_allclose(mix(features).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_pooled_means_of_concatenated_layers_are_those_of_numpy() -> None:
    head = make_head(layer_mix="concatenate", layer_norm=False, pooling="mean", fusion="pooled")
    batch = make_batch((5, 3), (8, 2))
    with torch.no_grad():
        parts = head.parts(**batch)
    for name in SHAPES:
        for index in (0, 1):
            frames = row(batch, index)[name].numpy()[0]  # [layer, time, dim]
            expected = np.concatenate([layer.mean(0) for layer in frames])
            np.testing.assert_allclose(parts[name].vector[index].numpy(), expected, rtol=1e-5, atol=1e-6)
        assert parts[name].present.tolist() == [True, True]


@pytest.mark.parametrize("shapes", [SHAPES, {"speech": (3, 8)}, {"text": (2, 4)}], ids="-".join)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_is_fixed_exactly_where_the_recipe_says_nothing_learns_before_it(
    pooling: str, shapes: dict[str, tuple[int, int]]
) -> None:
    needs_two = ("pooled_attention", "gated", "cross_attention")
    fusions = [fusion for fusion in FUSIONS if len(shapes) == 2 or fusion not in needs_two]
    fixed: list[tuple[str, str]] = []
    for fusion, sequence, width in product(fusions, SEQUENCES, (None, 4)):
        settings = {"fusion": fusion, "sequence": sequence, "pooling": pooling, "width": width, **TWO_HEADS}
        model = Model(layer_mix="concatenate", layer_norm=False, **settings)
        head = EmotionHead(EmotionHeadConfig.of(model, shapes, LABELS))
        assert head.pooling_is_fixed is (model.learns_before_pooling(branches=len(shapes)) is None), settings
        fixed += [(fusion, sequence)] if head.pooling_is_fixed else []
    both = ["pooled", "late"]
    expected = [*both, "pooled_attention", "gated"] if len(shapes) == 2 else [*both, "time", "time_after"]
    learns = pooling not in ("mean", "mean_std", "mean_quantiles", "max")
    assert set(fixed) == (set() if learns else set(product(expected, ("none", "self_attention"))))


@pytest.mark.parametrize("settings", [{"layer_norm": True}, {"layer_mix": "weighted"}])
def test_pooling_is_not_fixed_where_norms_or_layer_weights_learn(settings: dict[str, Any]) -> None:
    everything: dict[str, Any] = {"layer_mix": "concatenate", "layer_norm": False, "pooling": "max", **settings}
    assert not make_head(fusion="pooled", **everything).pooling_is_fixed
    assert Model(fusion="pooled", **everything).learns_before_pooling(branches=2)


def test_standardising_measures_the_training_clips_and_makes_a_constant_zero() -> None:
    values = torch.randn(50, 4) * torch.tensor([1.0, 20.0, 0.01, 0.0]) + torch.tensor([5.0, -3.0, 0.0, 7.0])
    scale = Standardise(4)
    scale.fit(values)
    result = scale(values).numpy()
    np.testing.assert_allclose(result.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(result.std(0), [1, 1, 1, 0], rtol=1e-3, atol=1e-6)


def test_the_head_of_a_saved_model_is_one_of_transformers_too(quickstart: Path, tmp_path: Path) -> None:
    head = EmotionHead.from_pretrained(quickstart / "model").eval()
    ours = Recognizer.from_pretrained(quickstart / "model").head
    assert head.config.labels == ours.config.labels
    assert head.config.label2id == {label: i for i, label in enumerate(ours.config.labels)}
    batch = make_batch((30, 9, 1), (12, 0, 1), shapes=ours.input_shapes)
    assert torch.equal(head(**batch).logits, ours(**batch).logits)
    head.save_pretrained(tmp_path)
    assert torch.equal(EmotionHead.from_pretrained(tmp_path).eval()(**batch).logits, ours(**batch).logits)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"fusion": "pooled", "pooling": "mean_std", "layer_mix": "concatenate", "layer_norm": False},
        {"fusion": "pooled", "pooling": "mean", "layer_mix": "concatenate", "layer_norm": False, "standardise": True},
        {"fusion": "time", "hidden_layers": 0, "width": 12},
        *EVERY,
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_a_saved_head_comes_back_the_same(tmp_path: Path, settings: dict[str, Any]) -> None:
    head = make_head(**settings)
    for module in head.modules():
        if isinstance(module, Standardise):
            module.fit(torch.randn(20, module.mean.shape[0]) * 3 + 1)
    head.save_pretrained(tmp_path)
    loaded = EmotionHead.load(tmp_path)
    batch = make_batch((5, 9), (12, 0))
    assert not loaded.training
    assert loaded.config.labels == tuple(LABELS)
    assert loaded.config.shapes == SHAPES
    assert torch.equal(logits(loaded, batch), logits(head, batch))
    state = loaded.state_dict()
    assert state.keys() == head.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in head.state_dict().items())


def saved(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    make_head().save_pretrained(folder)
    path = folder / "model.safetensors"
    return path, load_file(path)


NAMES = ("branches.speech.mix.layer_weights", "classifier.1.weight", "fusion.absent.text", "fusion.pool.query")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_tensor_is_named(tmp_path: Path, name: str) -> None:
    path, tensors = saved(tmp_path)
    del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(InputError) as caught:
        EmotionHead.load(tmp_path)
    assert caught.value.faults == (f"{tmp_path}: tensor {name} is missing",)


def test_an_extra_tensor_is_named(tmp_path: Path) -> None:
    path, tensors = saved(tmp_path)
    save_file({**tensors, "classifier.9.bias": torch.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(InputError) as caught:
        EmotionHead.load(tmp_path)
    assert caught.value.faults == (f"{tmp_path}: tensor classifier.9.bias does not belong to this model",)


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_of_another_shape_is_named(tmp_path: Path, name: str) -> None:
    path, tensors = saved(tmp_path)
    shape = list(tensors[name].shape)
    wrong = [shape[0] + 1, *shape[1:]]
    save_file({**tensors, name: torch.zeros(wrong)}, path, metadata={"format": "pt"})
    with pytest.raises(InputError) as caught:
        EmotionHead.load(tmp_path)
    assert caught.value.faults == (f"{tmp_path}: tensor {name} has shape {wrong}, expected {shape}",)


def test_a_head_without_weights_or_with_damaged_ones_is_an_input_error(tmp_path: Path) -> None:
    path, _ = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be loaded"):
        EmotionHead.load(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="cannot be loaded"):
        EmotionHead.load(tmp_path)


def test_a_saved_head_holds_no_encoder_weights(tmp_path: Path) -> None:
    sizes = {"speech": (7, 512), "text": (13, 384)}
    make_head(sizes).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert {name.split(".")[0] for name in tensors} <= {"branches", "fusion", "join", "classifier"}
    # layer weights, norms, one 384 -> 512 projection, the query, the stand-ins and the classifier: 4 bytes a number
    numbers = 7 + 13 + 2 * (512 + 384) + (384 * 512 + 512) + 512 + 2 * 512 + (512 * 16 + 3 * 16) + (16 * 3 + 3)
    assert sum(tensor.numel() for tensor in tensors.values()) == numbers
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4 * numbers + 20_000


def test_a_batch_made_by_padding_is_what_the_clips_are_alone() -> None:
    head = make_head({"speech": (3, 8)})
    clips = [torch.randn(3, length, 8) for length in (2, 20)]
    batch = MaskedSequence.pad(clips)
    together = head(speech=batch.features, speech_mask=batch.mask).logits
    for clip, expected in zip(clips, together, strict=True):
        alone = head(speech=clip[None], speech_mask=torch.ones(1, clip.shape[1], dtype=torch.bool)).logits[0]
        torch.testing.assert_close(alone, expected, rtol=0, atol=1e-5)
