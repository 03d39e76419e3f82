"""From the hidden states of several layers to one sequence."""

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
        """[batch, layer, time, dim] -> [batch, time, dim]."""
        return torch.einsum("bltd,l->btd", features, self.weights)


class ConcatenatedLayers(nn.Module):
    """Layers side by side: a frame becomes the concatenation of its layers."""

    def forward(self, features: Tensor) -> Tensor:
        """[batch, layer, time, dim] -> [batch, time, layer x dim]."""
        return features.transpose(1, 2).flatten(2)
