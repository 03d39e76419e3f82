"""A head on disk: written and read again, with the adapters of a tuned one beside it."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file

from emovoz.encoders.tuned import TunedLayers
from emovoz.errors import InputError
from emovoz.features import FrozenEncoders
from emovoz.model.head import Head, not_finite
from emovoz.model.tuned import TUNED, TunedHead
from emovoz.weights import CONFIG


def save_head(head: Head, directory: Path) -> None:
    """Write a head, and beside it the adapters of a tuned one, a folder a modality; encoder weights are in neither.

    What is written is what `EmotionHead.from_pretrained` reads.
    """
    (directory / CONFIG).write_text(head.config.to_json_string(), encoding="utf-8")
    weights = {name: tensor for name, tensor in head.state_dict().items() if not name.startswith(TUNED)}
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    for name, layers in head.tuned_layers.items():
        layers.save(directory / adapter_folder(name))


def load_head(directory: Path, tuned: Mapping[str, TunedLayers]) -> Head:
    """What `save_head` wrote, in eval mode.

    Args:
        directory: where it lies.
        tuned: untrained layers, into which the adapters are put; none for a head that is not tuned.

    Raises:
        InputError: a tensor that is missing, extra, of another shape or not finite, by name.
    """
    head = _tuned_head(directory, tuned) if tuned else Head.load(directory)
    strange = not_finite(head)
    if strange:
        raise InputError(f"{directory}: tensor {name} holds values that are not finite" for name in strange)
    return head


def _tuned_head(directory: Path, tuned: Mapping[str, TunedLayers]) -> Head:
    head = Head.load(directory)
    for name, layers in tuned.items():
        layers.load(directory / adapter_folder(name))
    return TunedHead.around(head, tuned).eval()


def untrained_layers(encoders: FrozenEncoders) -> dict[str, TunedLayers]:
    """The layers that are to be tuned, by modality; their adapters change nothing yet."""
    return {
        name: TunedLayers(branch.encoder, branch.layers, branch.mixed, branch.lora, branch.model)
        for name, branch in encoders.branches.items()
        if branch.lora is not None
    }


def adapter_folder(modality: str) -> str:
    """The folder of adapters within a saved model."""
    return f"{modality}-adapter"
