"""From the hidden states of several layers to one sequence."""

from typing import Any

import torch
from torch import Tensor, nn


class WeightedLayers(nn.Module):
    """Weighted sum of layers, one trainable weight each, softmaxed in every forward (ELMo, Peters et al. 2018).

    Args:
        layers: how many.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layer_weights = nn.Parameter(torch.zeros(layers))

    @property
    def weights(self) -> Tensor:
        """The weight of each layer [layer]; their sum is 1."""
        return self.layer_weights.softmax(0)

    def forward(self, features: Tensor) -> Tensor:
        """[batch, layer, time, dim] -> [batch, time, dim], in float32 where they are float16."""
        if features.shape[1] == 1:
            # whose weight is 1, whatever is learned
            return features[:, 0].float()
        if features.dtype == torch.float16:
            return _summed(features, self.weights)
        return torch.einsum("bltd,l->btd", features, self.weights)


class ConcatenatedLayers(nn.Module):
    """Layers side by side: a frame becomes the concatenation of its layers."""

    def forward(self, features: Tensor) -> Tensor:
        """[batch, layer, time, dim] -> [batch, time, layer x dim]."""
        return features.transpose(1, 2).flatten(2).float()


class _SumOfHalves(torch.autograd.Function):
    """Weighted sum in float32 of layers in float16; only the weights have a gradient.

    A clip at a time is made float32: it stays in the processor's cache, and the batch would not.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weights: Tensor) -> Tensor:
        """[batch, layer, time, dim], [layer] -> [batch, time, dim]."""
        ctx.save_for_backward(features)
        total = weights.new_empty(features.shape[0], *features.shape[2:])
        for clip, of_clip in zip(features, total, strict=True):
            torch.mv(clip.flatten(1).float().T, weights, out=of_clip.view(-1))
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        """A product of layer and gradient is the gradient of its weight."""
        (features,) = ctx.saved_tensors
        of_weights = gradient.new_zeros(features.shape[1])
        for clip, of_clip in zip(features, gradient, strict=True):
            of_weights.addmv_(clip.flatten(1).float(), of_clip.reshape(-1))
        return None, of_weights


def _summed(features: Tensor, weights: Tensor) -> Tensor:
    total: Tensor = _SumOfHalves.apply(features, weights)
    return total
