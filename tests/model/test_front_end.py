"""Front-ends: a clip's frames are its own, lengths halve with their masks, and the formulas are those of torch."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, max_pool2d, relu

from emovoz import Corpus, FeatureStore, Recipe, Recognizer, train
from emovoz.features import ClipFeatures, LongClipFeatures
from emovoz.inference import pooled
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.model.front_end import (
    FrontEnd,
    ResNetGroup,
    VggBlock,
    batch_normalised,
    front_end_of,
    front_end_width,
)
from emovoz.sequence import MaskedSequence, frame_mask
from emovoz.settings import Model
from helpers import relative_gap

NAMES = ("vgg", "resnet34", "resnet101")
CHANNELS = [4, 6]
LENGTHS = (1, 2, 3, 16, 41, 96)


def shaken(module: FrontEnd) -> FrontEnd:
    """In eval mode, its weights and statistics no longer the initial ones, and the latter kept apart from 0 and 1."""
    generator = torch.Generator().manual_seed(3)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean = torch.randn(layer.num_features, generator=generator) * 0.2
            layer.running_var = torch.rand(layer.num_features, generator=generator) + 0.5
            nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
            # far from zero, so that what comes out where nothing was is not nothing
            nn.init.uniform_(layer.bias, -1, 1, generator=generator)
    return module.eval()


def made(name: str, channels: list[int] | None = None) -> FrontEnd:
    torch.manual_seed(0)
    front_end = front_end_of(name, channels or CHANNELS)
    assert front_end is not None
    return shaken(front_end)


def whole(frames: Tensor) -> MaskedSequence:
    """A clip [time, dim] alone."""
    return MaskedSequence(frames[None], torch.ones(1, len(frames), dtype=torch.bool))


@torch.no_grad()
def alone(front_end: nn.Module, frames: Tensor) -> Tensor:
    result: Tensor = front_end(whole(frames)).features
    return result


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rubbish", [0.0, 1e3, -1e3])
def test_a_clip_becomes_in_a_batch_what_it_becomes_alone(name: str, rubbish: float) -> None:
    front_end = made(name)
    clips = [torch.randn(length, 11) for length in LENGTHS]
    batch = MaskedSequence.pad(clips)
    features = batch.features.masked_fill(~batch.mask[:, :, None], rubbish)
    with torch.no_grad():
        together = front_end(MaskedSequence(features, batch.mask))
    for clip, frames in zip(clips, together.unpad(), strict=True):
        assert relative_gap(frames[None], alone(front_end, clip)) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_without_frames_leaves_the_others_as_they_are_and_has_none_afterwards(name: str) -> None:
    front_end, clip = made(name), torch.randn(9, 6)
    features = torch.cat([torch.full((1, 9, 6), 50.0), clip[None]])
    mask = frame_mask(torch.tensor([0, 9]), 9)
    with torch.no_grad():
        batch = front_end(MaskedSequence(features, mask))
        nobody = front_end(MaskedSequence(torch.zeros(2, 0, 6), torch.zeros(2, 0, dtype=torch.bool)))
    assert not batch.mask[0].any()
    assert not nobody.mask.any()
    assert torch.isfinite(batch.features).all()
    assert torch.isfinite(nobody.features).all()
    assert relative_gap(batch.features[1:], alone(front_end, clip)) < 1e-5


@pytest.mark.parametrize(("name", "stages", "channels"), [("vgg", 2, 6), ("resnet34", 4, 256), ("resnet101", 4, 256)])
@pytest.mark.parametrize("dim", [1, 5, 16])
def test_time_and_frequency_are_halved_by_every_stage_and_rounded_up(
    name: str, stages: int, channels: int, dim: int
) -> None:
    def halved(size: int) -> int:
        for _ in range(stages):
            size = (size + 1) // 2
        return size

    batch = MaskedSequence.pad([torch.randn(length, dim) for length in LENGTHS])
    with torch.no_grad():
        result = made(name)(batch)
    assert result.mask.sum(1).tolist() == [halved(length) for length in LENGTHS]
    assert result.features.shape == (len(LENGTHS), halved(max(LENGTHS)), channels * halved(dim))
    assert front_end_width(name, CHANNELS, dim) == result.features.shape[2]
    # what is real comes first
    assert torch.equal(result.mask, frame_mask(result.mask.sum(1), result.mask.shape[1]))


def test_vgg_is_two_convolutions_with_relu_and_a_max_pool_a_block() -> None:
    front_end, frames = made("vgg"), torch.randn(13, 11)
    image = frames[None, None]
    for block in front_end.stages:
        assert isinstance(block, VggBlock)
        image = relu(block.second(relu(block.first(image))))
        image = max_pool2d(image, kernel_size=2, stride=2, ceil_mode=True)
    expected = torch.cat([image[0, channel] for channel in range(6)], dim=1)
    torch.testing.assert_close(alone(front_end, frames)[0], expected, rtol=1e-5, atol=1e-6)


def plain_resnet(groups: tuple[int, ...]) -> nn.ModuleList:
    """The modules of the network in their order: of each block two convolutions, each with its normalisation."""
    layers: list[nn.Module] = []
    inputs = 1
    for channels, blocks in zip((32, 64, 128, 256), groups, strict=True):
        for _ in range(blocks):
            for width in (inputs, channels):
                layers += [nn.Conv2d(width, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]
            inputs = channels
    return nn.ModuleList(layers)


def plain_pass(layers: nn.ModuleList, groups: tuple[int, ...], image: Tensor) -> Tensor:
    left = iter(layers)
    for blocks in groups:
        for _ in range(blocks):
            convolve, normalise, convolve_again, normalise_again = itertools.islice(left, 4)
            hidden = normalise_again(convolve_again(gelu(normalise(convolve(image)))))
            image = gelu(hidden + image if hidden.shape == image.shape else hidden)
        image = max_pool2d(image, kernel_size=3, stride=2, padding=1)
    return image


@pytest.mark.parametrize(("name", "groups"), [("resnet34", (3, 4, 6, 3)), ("resnet101", (3, 4, 23, 3))])
@pytest.mark.parametrize("training", [False, True])
def test_a_resnet_is_basic_blocks_in_four_groups(name: str, groups: tuple[int, ...], training: bool) -> None:
    front_end, plain = made(name).train(training), plain_resnet(groups).train(training)
    assert [len(group.blocks) for group in front_end.stages if isinstance(group, ResNetGroup)] == list(groups)
    # the same numbers in the same order, of the same shapes
    ours, theirs = list(front_end.state_dict().values()), list(plain.state_dict().values())
    assert [tensor.shape for tensor in ours] == [tensor.shape for tensor in theirs]
    for one, other in zip(ours, theirs, strict=True):
        other.copy_(one)
    clips = torch.randn(3, 20, 7)
    with torch.no_grad():
        result = front_end(MaskedSequence(clips, torch.ones(3, 20, dtype=torch.bool))).features
        expected = plain_pass(plain, groups, clips[:, None])
    expected = expected.permute(0, 2, 1, 3).flatten(2)
    assert relative_gap(result, expected) < 1e-4
    for one, other in zip(front_end.state_dict().values(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "blocks"), [("resnet34", (3, 4, 6, 3)), ("resnet101", (3, 4, 23, 3))])
def test_a_resnet_has_as_many_weights_as_its_convolutions_and_norms(name: str, blocks: tuple[int, ...]) -> None:
    expected, inputs = 0, 1
    for channels, count in zip((32, 64, 128, 256), blocks, strict=True):
        convolutions = 9 * inputs * channels + (2 * count - 1) * 9 * channels * channels
        expected += convolutions + 2 * count * 2 * channels
        inputs = channels
    assert sum(parameter.numel() for parameter in made(name).parameters()) == expected


def padded_images() -> tuple[Tensor, Tensor, list[int]]:
    """Images [clip, channel, time, frequency] whose padding is rubbish, their mask and their lengths."""
    lengths = [3, 9, 0, 6]
    mask = frame_mask(torch.tensor(lengths), 9)
    images = torch.randn(4, 5, 9, 4, generator=torch.Generator().manual_seed(2)) * 3 + 1
    return images.masked_fill(~mask[:, None, :, None], 1e4), mask, lengths


def test_batch_statistics_are_those_of_the_real_frames() -> None:
    images, mask, lengths = padded_images()
    norm, reference = nn.BatchNorm2d(5), nn.BatchNorm2d(5)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.uniform_(-1, 1)
    reference.load_state_dict(norm.state_dict())
    # the real frames of all clips, one after the other, as one image without padding
    real = torch.cat([image[:, :length] for image, length in zip(images, lengths, strict=True)], dim=1)
    expected = reference(real[None])[0].split(lengths, dim=1)
    result = batch_normalised(images, mask, norm)
    for image, length, other in zip(result, lengths, expected, strict=True):
        torch.testing.assert_close(image[:, :length], other)
        assert not image[:, length:].any()
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(norm.state_dict()[name], value)
    mean = real.double().mean((1, 2))
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean.double(), 0.1 * mean, rtol=1e-5, atol=1e-6)


def test_gradients_of_batch_normalisation_are_those_without_padding() -> None:
    images, mask, lengths = padded_images()
    images.requires_grad_()
    norm, reference = nn.BatchNorm2d(5), nn.BatchNorm2d(5)
    aim = torch.randn(4, 5, 9, 4)
    (batch_normalised(images, mask, norm) * aim).sum().backward()
    cut = [image[:, :length] for image, length in zip(images.detach(), lengths, strict=True)]
    real = torch.cat(cut, dim=1).requires_grad_()
    wanted = torch.cat([image[:, :length] for image, length in zip(aim, lengths, strict=True)], dim=1)
    (reference(real[None])[0] * wanted).sum().backward()
    assert images.grad is not None
    assert real.grad is not None
    for ours, length, theirs in zip(images.grad, lengths, real.grad.split(lengths, dim=1), strict=True):
        torch.testing.assert_close(ours[:, :length], theirs, rtol=1e-4, atol=1e-5)
        assert not ours[:, length:].any()
    torch.testing.assert_close(norm.weight.grad, reference.weight.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_without_padding_batch_normalisation_is_that_of_torch(training: bool) -> None:
    images = torch.randn(3, 5, 7, 4) * 2 + 1
    norm = nn.BatchNorm2d(5).train(training)
    reference = nn.BatchNorm2d(5).train(training)
    result = batch_normalised(images, torch.ones(3, 7, dtype=torch.bool), norm)
    if training:
        torch.testing.assert_close(result, reference(images))
        torch.testing.assert_close(norm.running_var, reference.running_var)
    else:
        assert torch.equal(result, reference(images))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lengths", [(1,), (0, 1), (0, 0), (1, 30)])
def test_batches_with_hardly_a_frame_train(name: str, lengths: tuple[int, ...]) -> None:
    front_end = made(name).train()
    mask = frame_mask(torch.tensor(lengths), max(lengths))
    result = front_end(MaskedSequence(torch.randn(len(lengths), max(lengths), 3), mask))
    assert result.mask.any(1).tolist() == [length > 0 for length in lengths]
    result.features[result.mask].sum().backward()
    assert all(torch.isfinite(value).all() for value in front_end.state_dict().values())
    assert all(
        torch.isfinite(parameter.grad).all() for parameter in front_end.parameters() if parameter.grad is not None
    )


@pytest.mark.parametrize("name", NAMES)
def test_under_bfloat16_the_statistics_stay_in_float32(name: str) -> None:
    front_end = made(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        result = front_end(MaskedSequence.pad([torch.randn(length, 16) for length in (9, 30)]))
    assert torch.isfinite(result.features).all()
    result.features.float().sum().backward()
    assert {value.dtype for value in front_end.state_dict().values()} <= {torch.float32, torch.int64}


def head(**settings: Any) -> EmotionHead:
    torch.manual_seed(1)
    made_head = EmotionHead(EmotionHeadConfig.of(Model(**settings), {"speech": (2, 8)}, ["anger", "joy"])).eval()
    for layer in made_head.modules():
        if isinstance(layer, FrontEnd):
            shaken(layer)
    return made_head


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_in_pieces_is_its_pieces_each_convolved_by_itself(name: str) -> None:
    judge = head(front_end=name, pooling="mean")
    speech = torch.randn(2, 90, 8)
    cuts = [(0, 32), (32, 64), (64, 90)]
    stages = 3 if name == "vgg" else 4

    def pieces() -> Iterator[ClipFeatures]:
        yield from (ClipFeatures({"speech": speech[:, start:end]}) for start, end in cuts)

    ((part, long),) = pooled(judge, [LongClipFeatures(pieces)])[0].by_modality.items()
    each = [clip.by_modality[part] for clip in pooled(judge, list(pieces()))]
    frames = torch.tensor([-(-(end - start) // 2**stages) for start, end in cuts])
    expected = (torch.stack(each) * frames[:, None]).sum(0) / frames.sum()
    torch.testing.assert_close(long, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "width"),
    [
        ({"front_end": "vgg", "vgg_channels": [4, 6]}, 6 * 20),
        ({"front_end": "resnet34"}, 256 * 5),
        ({"front_end": "resnet101", "fusion": "pooled"}, 256 * 5),
        ({"front_end": "vgg", "layer_mix": "concatenate"}, 32 * 20),
        ({"front_end": "vgg", "width": 12}, 12),
    ],
)
def test_the_rest_of_the_head_takes_the_width_that_comes_out(settings: dict[str, Any], width: int) -> None:
    shapes = {"speech": (2, 80), "text": (1, 6)}
    built = EmotionHead(EmotionHeadConfig.of(Model(**settings), shapes, ["anger", "joy"])).eval()
    branches = {name: branch.out_dim for name, branch in built.branches.items()}
    assert branches["speech"] == width
    assert branches["text"] == (6 if built.config.fusion == "pooled" else width)
    speech, text = torch.randn(2, 2, 30, 80), torch.randn(2, 1, 4, 6)
    masks = {"speech_mask": torch.ones(2, 30, dtype=torch.bool), "text_mask": torch.ones(2, 4, dtype=torch.bool)}
    assert built(speech=speech, text=text, **masks).logits.shape == (2, 2)


def demo_clips(demo: Corpus) -> Corpus:
    return Corpus([clip for clip in demo if clip.label in ("anger", "joy")][:8])


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains_it_and_the_saved_model_says_the_same(
    name: str, demo: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(name)
    settings = [f"model.front_end={name}", "features.stride=8", "training.epochs=2", "training.dev_fraction=0"]
    clips = demo_clips(demo)
    recipe = Recipe.load("spectrogram", settings)
    recognizer = train(clips, recipe, store=FeatureStore(folder / "store"))
    recognizer.save_pretrained(folder / "model")
    loaded = Recognizer.from_pretrained(folder / "model")
    state = recognizer.head.state_dict()
    assert any(".front_end." in key for key in state)
    assert all(torch.equal(loaded.head.state_dict()[key], value) for key, value in state.items())
    told = [one.scores for one in recognizer.predict(clips.clips[:3])]
    assert [one.scores for one in loaded.predict(clips.clips[:3])] == told
    assert [one.scores for clip in clips.clips[:3] for one in loaded.predict(clip)] == [
        pytest.approx(scores, abs=1e-4) for scores in told
    ]
