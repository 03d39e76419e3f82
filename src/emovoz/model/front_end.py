"""Convolutions over time and frequency: from frames, such as those of a spectrogram, to fewer and richer ones.

What a clip becomes never depends on its neighbours: padded frames are zero before every convolution, as if the clip
ended there, and neither max-pooling nor the statistics of batch normalisation see them.

A recording that goes through the head in pieces (see `EmotionHead.parts_in_pieces`) is convolved piece by piece: what
lies beyond a piece is zeros, so frames near the border of a piece differ from those of the recording at once.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, gelu, max_pool2d, pad, relu

from emovoz.sequence import MaskedSequence

RESNETS = {"resnet34": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
"""Basic blocks in each group."""

RESNET_CHANNELS = (32, 64, 128, 256)


class FrontEnd(nn.Module):
    """A sequence as an image of one channel, through stages that halve time and frequency, and back.

    Lengths are rounded up, so the shortest clip keeps a frame. Frame i after a stage is pooled from around frame 2i
    before it, and is real if that one is: of n real frames, ceil(n / 2) are.

    Args:
        stages: each from image [batch, channel, time, frequency] and mask [batch, time] to both of half the length.
    """

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, sequence: MaskedSequence) -> MaskedSequence:
        """[batch, time, dim] -> [batch, time', channels x frequency']."""
        features, mask = sequence.features, sequence.mask
        if not mask.shape[1]:  # no clip of the batch has anything here, and a convolution needs a frame
            features, mask = pad(features, (0, 0, 0, 1)), pad(mask, (0, 1))
        # with the channel last in memory convolutions are twice as fast on a CPU
        image = _zeroed(features[..., None].permute(0, 3, 1, 2), mask)
        for stage in self.stages:
            image, mask = stage(image, mask)
        return MaskedSequence(image.transpose(1, 2).flatten(2), mask)


class VggBlock(nn.Module):
    """Two 3x3 convolutions with ReLU, then a 2x2 max-pool that keeps the last odd row and column."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Image and mask, both of half the length."""
        for convolution in (self.first, self.second):
            image = relu(_zeroed(convolution(image), mask))
        # zeros never win over what a ReLU gives
        return max_pool2d(image, 2, ceil_mode=True), mask[:, ::2]


class ResNetGroup(nn.Module):
    """Basic blocks of as many channels, then a 3x3 max-pool of stride 2."""

    def __init__(self, inputs: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(BasicBlock(channels if i else inputs, channels) for i in range(blocks))

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Image and mask, both of half the length."""
        for block in self.blocks:
            image = block(image, mask)
        # GELU gives negative numbers too, over which a zero would win
        image = image.masked_fill(~mask[:, None, :, None], torch.finfo(image.dtype).min)
        mask = mask[:, ::2]
        return _zeroed(max_pool2d(image, 3, stride=2, padding=1), mask), mask


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and GELU; the input is added where its channels are as many.

    As in He et al. 2016, with GELU for ReLU and nothing in the place of a skip where the channels change.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.skips = inputs == channels

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """[batch, channel, time, frequency] -> the same with the block's channels, padding still zero."""
        hidden = gelu(batch_normalised(self.first(image), mask, self.first_norm))
        hidden = batch_normalised(self.second(hidden), mask, self.second_norm)
        return gelu(hidden + image if self.skips else hidden)


def batch_normalised(image: Tensor, mask: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Batch normalisation that learns from real frames only; padding comes out as zeros.

    Args:
        image: [batch, channel, time, frequency].
        mask: bool [batch, time].
        norm: its weights and running statistics; in eval mode it is all there is.
    """
    # one value a channel has no variance; training goes on with what is known
    if not norm.training or int(mask.sum()) * image.shape[3] < 2:
        known = batch_norm(image, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        return _zeroed(known, mask)
    frames = image.permute(0, 2, 3, 1)
    real = frames[mask]
    # to `norm` the real frames are one long image
    normalised = norm(real.permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    return normalised.new_zeros(frames.shape).index_put((mask,), normalised).permute(0, 3, 1, 2)


def _zeroed(image: Tensor, mask: Tensor) -> Tensor:
    return image.masked_fill(~mask[:, None, :, None], 0.0)


def front_end_of(name: str, vgg_channels: Sequence[int]) -> FrontEnd | None:
    """The front-end of a recipe's `model.front_end`; None where there is none."""
    channels = _channels(name, vgg_channels)
    pairs = list(zip((1, *channels), channels, strict=False))
    if name in RESNETS:
        return FrontEnd([ResNetGroup(*pair, blocks) for pair, blocks in zip(pairs, RESNETS[name], strict=True)])
    return FrontEnd([VggBlock(*pair) for pair in pairs]) if pairs else None


def front_end_width(name: str, vgg_channels: Sequence[int], dim: int) -> int:
    """Width of a frame after a front-end that gets frames of this width.

    >>> front_end_width("vgg", [32, 64], 80), front_end_width("resnet34", [], 80), front_end_width("none", [], 80)
    (1280, 1280, 80)
    """
    channels = _channels(name, vgg_channels)
    return channels[-1] * math.ceil(dim / 2 ** len(channels)) if channels else dim


def _channels(name: str, vgg_channels: Sequence[int]) -> tuple[int, ...]:
    """Channels of each stage."""
    if name == "vgg":
        return tuple(vgg_channels)
    return RESNET_CHANNELS if name in RESNETS else ()
