"""The last layers of an encoder with low-rank adapters in them (LoRA, Hu et al. 2021), by peft."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emovoz.encoders.fingerprint import fingerprint, weights_digest
from emovoz.encoders.packed import twin_of, unpack
from emovoz.encoders.speech import SpeechEncoder
from emovoz.encoders.text import TUNABLE
from emovoz.errors import InputError
from emovoz.settings import Lora

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
"""Of peft."""


class TunedLayers(nn.Module):
    """From the hidden states that an encoder gives to those that a head mixes, through layers with adapters in them.

    The frozen layers are the encoder's own, in its memory and in eval mode whatever happens; they are no part of this
    module. What is trained, saved and switched between train and eval are the adapters alone.

    Args:
        encoder: frozen; it stays as it is.
        given: hidden states that it gives; the highest is where the tuned layers begin.
        mixed: hidden states wanted, given or above them.
        lora: the adapters.
        model: what the recipe calls the encoder.
    """

    def __init__(self, encoder: Any, given: Sequence[int], mixed: Sequence[int], lora: Lora, model: str) -> None:
        super().__init__()
        self.given, self.lora, self.model = tuple(given), lora, model
        self.start = max(given)
        self.made = [layer for layer in mixed if layer > self.start]
        self.order = [[*given, *self.made].index(layer) for layer in mixed]
        self.encoder = twin_of(encoder)
        self.config = _inject(self.encoder, self.start, max(mixed), lora, model)
        self.adapters = nn.ModuleDict(dict(_adapters(self.encoder.model)))

    def forward(self, features: Tensor, mask: Tensor, *, later: bool = False) -> Tensor:
        """The states that the head mixes.

        A clip longer than the encoder's window is seen stretch by stretch, each what one window has given; so the
        pieces of a long recording give what it gives at once.

        Args:
            features: the given states [batch, given, time, dim].
            mask: bool [batch, time].
            later: whether these are pieces of recordings that others precede.

        Returns:
            [batch, mixed, time, dim].
        """
        lengths = [n for frames in mask.sum(1).tolist() if frames for n in self._stretches(frames, later)]
        if not lengths:
            return features[:, :1].expand(-1, len(self.order), -1, -1)
        made = self.encoder.above(self.start, features[:, self.given.index(self.start)][mask], lengths, self.made)
        padded = made.new_zeros(len(self.made), *mask.shape, made.shape[-1])
        padded[:, mask] = made
        return torch.cat([features, padded.transpose(0, 1)], dim=1)[:, self.order]

    def _stretches(self, frames: int, later: bool) -> list[int]:
        return self.encoder.stretches(frames, later=later) if isinstance(self.encoder, SpeechEncoder) else [frames]

    @property
    def digest(self) -> str:
        """A hash of the adapters and of all that decides what is made of them."""
        shape = self.lora.model_dump(include={"rank", "alpha"})
        return fingerprint(weights_digest(self.adapters), start=self.start, order=self.order, **shape)

    def save(self, directory: Path) -> None:
        """Write the adapters as peft does, for this encoder: `PeftModel.from_pretrained` takes them too."""
        self.config.inference_mode = True
        self.config.save_pretrained(directory)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self._tensors().items()}
        save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})

    def load(self, directory: Path) -> None:
        """Take the adapters that `save` wrote.

        Raises:
            InputError: no such file, or a tensor that is missing, extra or of another shape, by name.
        """
        file = directory / WEIGHTS
        try:
            found = load_file(file)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{file}: the adapters of {self.model} cannot be read ({error})") from error
        own = self._tensors()
        faults = list(_differences(found, own))
        if faults:
            raise InputError(f"{file}: {fault}" for fault in faults)
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(found[name])

    def _tensors(self) -> dict[str, Tensor]:
        """The adapters' weights by the names that peft gives them."""
        named = (name.split(".") for name, _ in self.adapters.named_parameters())
        return {
            f"base_model.model.{place.replace('-', '.')}.lora_{side}.weight": self.adapters.get_parameter(
                f"{place}.{side}.weight"
            )
            for place, side, _ in named
        }


def check_tunable(encoder: Any, section: str, model: str) -> None:
    """Raise InputError where adapters cannot be put into this encoder, or peft is not installed."""
    if not getattr(encoder, "blocks", None):
        family = f" ({encoder.model.config.model_type})" if hasattr(encoder, "model") else ""
        known = f"; these can: {', '.join(sorted(TUNABLE))}" if section == "text" else ""
        raise InputError(f"{section}.lora: {model}{family} has no layers that can be tuned here{known}")
    if find_spec("peft") is None:
        raise InputError(f"{section}.lora needs peft: pip install 'emovoz[lora]'")


def _inject(encoder: Any, start: int, top: int, lora: Lora, model: str) -> Any:
    """Put adapters into the projections of queries and values between two hidden states; the configuration for peft."""
    from peft import LoraConfig, inject_adapter_in_model

    for block in encoder.blocks[start:top]:
        unpack(block)
    names = {id(module): name for name, module in encoder.model.named_modules()}
    places = [f"{names[id(block)]}.{name}" for block in encoder.blocks[start:top] for name in encoder.projections]
    alpha: Any = lora.alpha
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=alpha,
        lora_dropout=lora.dropout,
        # a pattern, because peft writes a list in another order each time
        target_modules="|".join(map(re.escape, places)),
        base_model_name_or_path=model,
    )
    inject_adapter_in_model(config, encoder.model)
    return config


def _adapters(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    from peft.tuners.lora import LoraLayer

    for name, layer in model.named_modules():
        if isinstance(layer, LoraLayer):
            parts = {"A": layer.lora_A, "B": layer.lora_B, "dropout": layer.lora_dropout}
            # a dot may not be in the name of a module
            yield name.replace(".", "-"), nn.ModuleDict({key: part["default"] for key, part in parts.items()})


def _differences(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Iterator[str]:
    yield from (f"tensor {name} is missing" for name in sorted(own.keys() - found.keys()))
    yield from (f"tensor {name} does not belong to these adapters" for name in sorted(found.keys() - own.keys()))
    for name in sorted(own.keys() & found.keys()):
        if own[name].shape != found[name].shape:
            yield f"tensor {name} has shape {list(found[name].shape)}, expected {list(own[name].shape)}"
