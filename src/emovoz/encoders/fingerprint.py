"""Fingerprints: a hash of everything that decides an encoder's output, and of nothing else."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from emovoz.encoders.placement import PRODUCT_PRECISIONS


def weights_digest(module: nn.Module) -> str:
    """sha256 over the names, shapes and float32 values of a module's tensors, wherever they came from."""
    return tensors_digest(module.state_dict())


def tensors_digest(tensors: Mapping[str, Any]) -> str:
    """The same over a module's tensors by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu()
        if values.is_floating_point():
            values = values.to(torch.float32)
        digest.update(f"{name}{tuple(values.shape)}".encode())
        digest.update(memoryview(values.contiguous().view(-1).numpy()).cast("B"))
    return digest.hexdigest()


def architecture(config: Any) -> dict[str, Any]:
    """What a speech model's configuration adds to the weights: settings that no tensor's shape tells."""
    names = (
        "model_type",
        "num_attention_heads",
        "encoder_attention_heads",
        "hidden_act",
        "activation_function",
        "layer_norm_eps",
    )
    return {name: getattr(config, name, None) for name in names}


def settings_of(config: Any) -> dict[str, Any]:
    """All of a text model's configuration but what says nothing of hidden states.

    Families differ in what changes them, so a setting counts unless it is known not to: to count one too many costs
    encoding again, one too few gives the features of another model.
    """
    settings = {name: value for name, value in config.to_dict().items() if not is_idle(name)}
    return json.loads(json.dumps(settings, sort_keys=True, default=str))


def is_idle(setting: str) -> bool:
    """Whether a setting of a text model, by its name, says nothing of hidden states."""
    idle = (
        *("name_or_path", "architectures", "transformers_version", "dtype", "label", "token_id", "dropout", "init"),
        *("cache", "problem_type", "task", "gradient", "return_dict", "output_", "tie_", "summary_", "classifier"),
    )
    return any(part in setting for part in idle)


def fingerprint(weights: str, **settings: Any) -> str:
    """A hash of the weights' digest and every setting that changes what they give.

    >>> fingerprint("ab", mode="unpadded") == fingerprint("ab", mode="padded")
    False
    """
    text = json.dumps({"weights": weights, **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fingerprints(weights: str, **settings: Any) -> dict[str, str]:
    """The fingerprint of an encoder in each precision that its matrix products can be computed in."""
    # that of float32 is called as torch calls it
    names = {precision: str(dtype) for precision, dtype in PRODUCT_PRECISIONS.items()}
    return {precision: fingerprint(weights, precision=name, **settings) for precision, name in names.items()}
