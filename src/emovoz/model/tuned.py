"""TunedHead: a head and the encoders' last layers, tuned together."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from emovoz.encoders.tuned import TunedLayers
from emovoz.model.config import HeadConfig
from emovoz.model.fusion import Part
from emovoz.model.head import Head

TUNED = "tuned."
"""How the names of adapters begin among those of a head's tensors."""


class TunedHead(Head):
    """A head that makes the highest hidden states by itself, from those below, by layers with adapters in them.

    It is given what frozen encoders give, as any head; so training, evaluation and prediction do the same, and the
    store serves every tuned model of an encoder.

    Args:
        config: of the head.
        tuned: layers by modality; their adapters are trained with the head.
    """

    def __init__(self, config: HeadConfig, tuned: Mapping[str, TunedLayers]) -> None:
        super().__init__(config)
        self.tuned = nn.ModuleDict(tuned)

    @classmethod
    def around(cls, head: Head, tuned: Mapping[str, TunedLayers]) -> "TunedHead":
        """The same head above tuned layers."""
        whole = cls(head.config, tuned)
        whole.load_state_dict(head.state_dict(), strict=False)
        return whole

    @property
    def input_shapes(self) -> dict[str, tuple[int, int]]:
        """(layers, dim) of the features it is given."""
        return {
            name: (len(self.tuned_layers[name].given) if name in self.tuned else layers, dim)
            for name, (layers, dim) in self.config.shapes.items()
        }

    @property
    def pooling_is_fixed(self) -> bool:
        """Never: the adapters learn."""
        return False

    @property
    def adapter_groups(self) -> list[dict[str, Any]]:
        """The adapters for an optimiser, with their learning rates."""
        layers = self.tuned_layers.values()
        return [{"params": [*of.parameters()], "lr": of.lora.learning_rate} for of in layers]

    @property
    def tuned_layers(self) -> dict[str, TunedLayers]:
        """The layers that it tunes, by modality."""
        layers: dict[str, Any] = dict(self.tuned.items())
        return layers

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
