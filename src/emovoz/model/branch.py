"""One modality on its way to fusion: mix the layers, normalise, project."""

from torch import Tensor, nn

from emovoz.model.layer_mix import ConcatenatedLayers, WeightedLayers
from emovoz.sequence import MaskedSequence


class Branch(nn.Module):
    """Features of one modality [batch, layer, time, dim] -> masked sequence [batch, time, out_dim].

    Args:
        layers, dim: of the features.
        layer_mix: `weighted` or `concatenate`.
        layer_norm: normalise every frame.
        width: project to this width, unless it is the width already; None never projects.
    """

    def __init__(self, layers: int, dim: int, *, layer_mix: str, layer_norm: bool, width: int | None) -> None:
        super().__init__()
        mixed = mixed_width(layers, dim, layer_mix)
        self.out_dim = width or mixed
        self.mix: nn.Module = WeightedLayers(layers) if layer_mix == "weighted" else ConcatenatedLayers()
        self.norm: nn.Module = nn.LayerNorm(mixed) if layer_norm else nn.Identity()
        self.project: nn.Module = nn.Linear(mixed, self.out_dim) if self.out_dim != mixed else nn.Identity()

    def forward(self, features: Tensor, mask: Tensor) -> MaskedSequence:
        """The branch's sequence under the same mask."""
        return MaskedSequence(self.project(self.norm(self.mix(features))), mask)


def mixed_width(layers: int, dim: int, layer_mix: str) -> int:
    """Width of a frame after the layers are mixed."""
    return dim if layer_mix == "weighted" else layers * dim
