"""The head: a clip's logits are its own, absent modalities stay absent, and what is saved is what is loaded."""

from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from emovoz.errors import InputError
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.model.join import Standardise
from emovoz.model.layer_mix import WeightedLayers
from emovoz.sequence import MaskedSequence, frame_mask
from emovoz.settings import Model

SHAPES = {"speech": (3, 8), "text": (2, 4)}
LABELS = ["anger", "fear", "joy"]
POOLINGS, SEQUENCES, FUSIONS, MIXES = (
    get_args(Model.model_fields[name].annotation) for name in ("pooling", "sequence", "fusion", "layer_mix")
)
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
TWO_HEADS = {"sequence_heads": 2, "pooling_heads": 2}
every_head = pytest.mark.parametrize("model", EVERY, ids=lambda model: "-".join(model.values()))

Batch = dict[str, Tensor]


def make_head(shapes: dict[str, tuple[int, int]] | None = None, **settings: Any) -> EmotionHead:
    """A head in eval mode whose weights are no longer the symmetric initial ones."""
    torch.manual_seed(0)
    config = EmotionHeadConfig.of(Model(hidden_width=16, **(TWO_HEADS | settings)), shapes or SHAPES, LABELS)
    head = EmotionHead(config).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return head


def make_batch(*lengths: tuple[int, int], shapes: dict[str, tuple[int, int]] | None = None, seed: int = 1) -> Batch:
    """Clips of these (speech, text) lengths, zeros after their ends."""
    random = torch.Generator().manual_seed(seed)
    batch: Batch = {}
    for i, (name, (layers, dim)) in enumerate((shapes or SHAPES).items()):
        sizes = torch.tensor([pair[i] for pair in lengths])
        mask = frame_mask(sizes, max(1, int(sizes.max())))
        frames = torch.randn(len(lengths), layers, mask.shape[1], dim, generator=random)
        batch |= {name: frames * mask[:, None, :, None], f"{name}_mask": mask}
    return batch


def fill_padding(batch: Batch, value: float) -> Batch:
    filled = dict(batch)
    for name in SHAPES:
        filled[name] = torch.where(batch[f"{name}_mask"][:, None, :, None], batch[name], torch.tensor(value))
    return filled


def row(batch: Batch, index: int) -> Batch:
    """One clip of a batch without its padding."""
    alone: Batch = {}
    for name in SHAPES:
        length = int(batch[f"{name}_mask"][index].sum())
        alone[name] = batch[name][index : index + 1, :, :length]
        alone[f"{name}_mask"] = torch.ones(1, length, dtype=torch.bool)
    return alone


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


def test_time_fusion_pools_the_frames_of_both_and_a_learned_one_for_what_is_absent() -> None:
    shapes = {"speech": (2, 3), "text": (1, 6)}
    head = make_head(shapes, layer_mix="concatenate", layer_norm=False, pooling="mean", fusion="time")
    batch = make_batch((5, 3), (8, 0), shapes=shapes)
    joint = head.parts(**batch)["joint"].vector.detach().numpy()
    speech = [np.concatenate([*row(batch, i)["speech"].numpy()[0]], axis=1) for i in (0, 1)]
    absent = head.state_dict()["fusion.absent.text"].numpy()
    both = np.concatenate([speech[0], row(batch, 0)["text"].numpy()[0, 0]])
    np.testing.assert_allclose(joint[0], both.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(joint[1], np.concatenate([speech[1], absent[None]]).mean(0), rtol=1e-5, atol=1e-6)


def projections(head: EmotionHead) -> set[str]:
    return {name.split(".")[1] for name, _ in head.named_parameters() if ".project." in name}


def test_time_fusion_projects_unequal_widths_to_the_larger_and_pooled_fusion_does_not() -> None:
    assert projections(make_head(fusion="time")) == {"text"}
    assert projections(make_head(fusion="time", layer_mix="concatenate")) == {"text"}
    assert projections(make_head(fusion="pooled")) == set()
    equal = {"speech": (3, 8), "text": (2, 8)}
    assert projections(make_head(equal, fusion="time")) == set()
    assert projections(make_head(fusion="pooled", width=5)) == {"speech", "text"}


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
    expected = ["pooled", "pooled_attention", "gated"] if len(shapes) == 2 else ["time", "time_after", "pooled"]
    learns = pooling not in ("mean", "mean_std", "max")
    assert set(fixed) == (set() if learns else set(product(expected, ("none", "self_attention"))))


@pytest.mark.parametrize("settings", [{"layer_norm": True}, {"layer_mix": "weighted"}])
def test_pooling_is_not_fixed_where_norms_or_layer_weights_learn(settings: dict[str, Any]) -> None:
    everything: dict[str, Any] = {"layer_mix": "concatenate", "layer_norm": False, "pooling": "max", **settings}
    assert not make_head(fusion="pooled", **everything).pooling_is_fixed
    assert Model(fusion="pooled", **everything).learns_before_pooling(branches=2)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sequence": "transformer", "sequence_heads": 3}, "model.sequence_heads 3 does not divide 8"),
        ({"sequence": "multi_head_attention", "sequence_heads": 5}, "model.sequence_heads 5 does not divide 8"),
        ({"sequence": "reduced_multi_head_attention", "sequence_heads": 16}, "sequence_heads 16 does not divide 8"),
        ({"fusion": "cross_attention", "sequence_heads": 3}, "that model.fusion cross_attention sees"),
        ({"pooling": "multi_head_attention", "pooling_heads": 3}, "model.pooling_heads 3 does not divide 8"),
        (
            {"pooling": "double_multi_head_attention", "sequence": "reduced_multi_head_attention", "pooling_heads": 8},
            "model.pooling_heads 8 does not divide 4",
        ),
        ({"fusion": "pooled", "sequence": "transformer", "sequence_heads": 8}, "sequence_heads 8 does not divide 4"),
    ],
)
def test_heads_that_do_not_divide_the_width_are_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_head(**settings)


def test_heads_as_wide_as_the_whole_need_not_divide_it() -> None:
    make_head(sequence="multi_head_attention", sequence_head_width="whole", sequence_heads=3)


def test_a_clip_without_the_other_modality_keeps_its_frames_under_cross_attention() -> None:
    head = make_head(fusion="cross_attention", layer_mix="concatenate", layer_norm=False, pooling="mean")
    batch = make_batch((5, 3), (5, 0))
    speech = head.parts(**batch)["speech"].vector.detach().numpy()
    kept = [np.concatenate([*row(batch, i)["speech"].numpy()[0]], axis=1).mean(0) for i in (0, 1)]
    np.testing.assert_allclose(speech[1], kept[1], rtol=1e-4, atol=1e-5)
    assert np.abs(speech[0] - kept[0]).max() > 0.1


def test_cross_attention_adds_to_each_frame_what_it_finds_in_the_other_modality() -> None:
    head = make_head(fusion="cross_attention", layer_mix="concatenate", layer_norm=False, pooling="mean")
    batch = make_batch((5, 3))
    theirs = torch.nn.MultiheadAttention(24, 2, batch_first=True)
    ours = head.fusion.get_submodule("attentions.text")
    state = {name.removeprefix("heads."): value for name, value in ours.state_dict().items()}
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([state[f"{name}.weight"] for name in ("query", "key", "value")]))
        theirs.in_proj_bias.copy_(torch.cat([state[f"{name}.bias"] for name in ("query", "key", "value")]))
        theirs.out_proj.weight.copy_(state["out.weight"])
        theirs.out_proj.bias.copy_(state["out.bias"])
        speech, text = (head.branches[name](batch[name], batch[f"{name}_mask"]).features for name in SHAPES)
        expected = (text + theirs(text, speech, speech)[0]).mean(1)
        torch.testing.assert_close(head.parts(**batch)["text"].vector, expected, rtol=0, atol=1e-5)


def test_the_sequence_layer_sees_both_modalities_before_and_one_of_them_after_they_are_concatenated() -> None:
    settings = {"sequence": "self_attention", "layer_mix": "concatenate", "layer_norm": False, "pooling": "mean"}
    equal = {"speech": (1, 4), "text": (1, 4)}
    batch = make_batch((5, 3), shapes=equal)
    speech, text = batch["speech"][0, 0], batch["text"][0, 0]

    def attended(frames: Tensor) -> Tensor:
        return (frames @ frames.T / 2).softmax(1) @ frames

    for fusion, expected in (
        ("time", attended(torch.cat([speech, text]))),
        ("time_after", torch.cat([attended(speech), attended(text)])),
    ):
        found = make_head(equal, fusion=fusion, **settings).parts(**batch)["joint"].vector[0]
        torch.testing.assert_close(found, expected.mean(0), rtol=0, atol=1e-5)


def test_standardising_measures_the_training_clips_and_makes_a_constant_zero() -> None:
    values = torch.randn(50, 4) * torch.tensor([1.0, 20.0, 0.01, 0.0]) + torch.tensor([5.0, -3.0, 0.0, 7.0])
    scale = Standardise(4)
    scale.fit(values)
    result = scale(values).numpy()
    np.testing.assert_allclose(result.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(result.std(0), [1, 1, 1, 0], rtol=1e-3, atol=1e-6)


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
