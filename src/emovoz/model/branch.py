"""One branch on its way to fusion: mix the layers, normalise, convolve, adapt or project."""

from collections.abc import Sequence

from torch import Tensor, nn

from emovoz.model.config import NGRAMS, HeadConfig
from emovoz.model.front_end import front_end_of, front_end_width
from emovoz.model.layer_mix import ConcatenatedLayers, WeightedLayers
from emovoz.sequence import MaskedSequence


class Branch(nn.Module):
    """Features of one modality [batch, layer, time, dim] -> masked sequence [batch, time', out_dim].

    Args:
        layers, dim: of the features.
        layer_mix: `weighted` or `concatenate`.
        layer_norm: normalise every frame.
        front_end: `vgg`, `resnet34`, `resnet101` or `none`.
        vgg_channels: of each block of `vgg`.
        adapter: `linear`, `nonlinear` or `none`.
        width: of the adapter; without one, project to this width, unless it is the width already. None is the width
            there is.
    """

    def __init__(
        self,
        layers: int,
        dim: int,
        *,
        layer_mix: str,
        layer_norm: bool,
        front_end: str = "none",
        vgg_channels: Sequence[int] = (),
        adapter: str = "none",
        width: int | None = None,
    ) -> None:
        super().__init__()
        mixed = mixed_width(layers, dim, layer_mix)
        natural = front_end_width(front_end, vgg_channels, mixed)
        self.out_dim = width or natural
        self.mix: nn.Module = WeightedLayers(layers) if layer_mix == "weighted" else ConcatenatedLayers()
        self.norm: nn.Module = nn.LayerNorm(mixed) if layer_norm else nn.Identity()
        self.front_end = front_end_of(front_end, vgg_channels)
        self.project = _projection(adapter, natural, self.out_dim)

    def forward(self, features: Tensor, mask: Tensor) -> MaskedSequence:
        """The branch's sequence, under a mask as much shorter as the front-end makes it."""
        sequence = MaskedSequence(self.norm(self.mix(features)), mask)
        if self.front_end is not None:
            sequence = self.front_end(sequence)
        return MaskedSequence(self.project(sequence.features), sequence.mask)


def branch_of(config: HeadConfig, name: str, width: int | None) -> Branch:
    """A branch of a head; only speech has a front-end, and n-grams are left as they are.

    Args:
        config: of the head.
        name: `speech`, `text` or `ngrams`.
        width: as in `Branch`.
    """
    if name == NGRAMS:
        return Branch(*config.shapes[name], layer_mix="concatenate", layer_norm=False)
    speech = name == "speech"
    return Branch(
        *config.shapes[name],
        layer_mix=config.layer_mix,
        layer_norm=config.layer_norm,
        front_end=config.front_end if speech else "none",
        vgg_channels=config.vgg_channels or (),
        adapter=config.speech_adapter if speech else config.text_adapter,
        width=width,
    )


def natural_width(config: HeadConfig, modality: str) -> int:
    """Width of a branch's frames before they are brought to another: of the front-end, or of the mixed layers."""
    mixed = mixed_width(*config.shapes[modality], config.layer_mix)
    return front_end_width(config.front_end, config.vgg_channels or (), mixed) if modality == "speech" else mixed


def mixed_width(layers: int, dim: int, layer_mix: str) -> int:
    """Width of a frame after the layers are mixed."""
    return dim if layer_mix == "weighted" else layers * dim


def _projection(adapter: str, width: int, out: int) -> nn.Module:
    if adapter == "none":
        return nn.Linear(width, out) if out != width else nn.Identity()
    activation = [nn.ReLU()] if adapter == "nonlinear" else []
    return nn.Sequential(nn.Linear(width, out), nn.LayerNorm(out), *activation)
