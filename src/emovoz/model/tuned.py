"""TunedHead: a head and the encoders' last layers, tuned together."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from emovoz.encoders.tuned import TunedLayers
from emovoz.errors import InputError
from emovoz.features import FrozenEncoders
from emovoz.model.config import EmotionHeadConfig
from emovoz.model.fusion import Part
from emovoz.model.head import EmotionHead, not_finite

TUNED = "tuned."
"""How the names of adapters begin among those of a head's tensors."""


class TunedHead(EmotionHead):
    """A head that makes the highest hidden states by itself, from those below, by layers with adapters in them.

    It is given what frozen encoders give, as any head; so training, evaluation and prediction do the same, and the
    store serves every tuned model of an encoder.

    Args:
        config: of the head.
        tuned: layers by modality; their adapters are trained with the head.
    """

    def __init__(self, config: EmotionHeadConfig, tuned: Mapping[str, TunedLayers]) -> None:
        super().__init__(config)
        self.tuned = nn.ModuleDict(tuned)

    @classmethod
    def around(cls, head: EmotionHead, tuned: Mapping[str, TunedLayers]) -> "TunedHead":
        """The same head above tuned layers."""
        whole = cls(head.config, tuned)
        whole.load_state_dict(head.state_dict(), strict=False)
        return whole

    @property
    def input_shapes(self) -> dict[str, tuple[int, int]]:
        """(layers, dim) of the features it is given."""
        return {
            name: (len(tuned_layers(self)[name].given) if name in self.tuned else layers, dim)
            for name, (layers, dim) in self.config.shapes.items()
        }

    @property
    def pooling_is_fixed(self) -> bool:
        """Never: the adapters learn."""
        return False

    @property
    def adapter_groups(self) -> list[dict[str, Any]]:
        """The adapters for an optimiser, with their learning rates."""
        layers = tuned_layers(self).values()
        return [{"params": [*of.parameters()], "lr": of.lora.learning_rate} for of in layers]

    def parts(self, **given: Tensor | None) -> dict[str, Part]:
        """The pooled parts that the decision is made of; arguments as in `forward`."""
        return super().parts(**self._lifted({name: values for name, values in given.items() if values is not None}))

    def parts_in_pieces(self, pieces: Iterable[Mapping[str, Tensor]]) -> dict[str, Part]:
        """What `parts` gives for one clip, whose frames come piece by piece; memory holds one piece."""
        return super().parts_in_pieces(self._lifted(piece, later=k > 0) for k, piece in enumerate(pieces))

    def _lifted(self, given: Mapping[str, Tensor], *, later: bool = False) -> dict[str, Tensor]:
        return {
            name: self.tuned[name](values.float(), given[f"{name}_mask"], later=later) if name in self.tuned else values
            for name, values in given.items()
        }


def save_head(head: EmotionHead, directory: Path) -> None:
    """Write a head, and beside it the adapters of a tuned one, a folder a modality; encoder weights are in neither."""
    weights = {name: tensor for name, tensor in head.state_dict().items() if not name.startswith(TUNED)}
    head.save_pretrained(directory, state_dict=weights)
    for name, layers in tuned_layers(head).items():
        layers.save(directory / adapter_folder(name))


def load_head(directory: Path, tuned: Mapping[str, TunedLayers]) -> EmotionHead:
    """What `save_head` wrote, in eval mode.

    Args:
        directory: where it lies.
        tuned: untrained layers, into which the adapters are put; none for a head that is not tuned.

    Raises:
        InputError: a tensor that is missing, extra, of another shape or not finite, by name.
    """
    head = EmotionHead.load(directory)
    if tuned:
        for name, layers in tuned.items():
            layers.load(directory / adapter_folder(name))
        head = TunedHead.around(head, tuned).eval()
    strange = not_finite(head)
    if strange:
        raise InputError(f"{directory}: tensor {name} holds values that are not finite" for name in strange)
    return head


def untrained_layers(encoders: FrozenEncoders) -> dict[str, TunedLayers]:
    """The layers that are to be tuned, by modality; their adapters change nothing yet."""
    return {
        name: TunedLayers(branch.encoder, branch.layers, branch.mixed, branch.lora, branch.model)
        for name, branch in encoders.branches.items()
        if branch.lora is not None
    }


def tuned_layers(head: EmotionHead) -> dict[str, TunedLayers]:
    """The tuned layers of a head by modality, none where it is not tuned."""
    layers: dict[str, Any] = dict(head.tuned.items()) if isinstance(head, TunedHead) else {}
    return layers


def adapter_folder(modality: str) -> str:
    """The folder of adapters within a saved model."""
    return f"{modality}-adapter"
