"""Fingerprints: a hash of everything that decides an encoder's output, and of nothing else."""

import hashlib
import json
from typing import Any

import torch
from torch import nn


def weights_digest(module: nn.Module) -> str:
    """sha256 over the names, shapes and float32 values of a module's tensors, wherever they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu()
        if values.is_floating_point():
            values = values.to(torch.float32)
        digest.update(f"{name}{tuple(values.shape)}".encode())
        digest.update(memoryview(values.contiguous().view(-1).numpy()).cast("B"))
    return digest.hexdigest()


_USUAL = (
    "model_type",
    "num_attention_heads",
    "encoder_attention_heads",
    "hidden_act",
    "activation_function",
    "layer_norm_eps",
)
_OF_SOME = (
    "attention_window",
    "global_attn_every_n_layers",
    "layer_norm_epsilon",
    "layer_types",
    "local_attention",
    "max_relative_positions",
    "num_key_value_heads",
    "pos_att_type",
    "position_buckets",
    "relative_attention_max_distance",
    "rms_norm_eps",
    "rope_parameters",
    "rope_theta",
    "sliding_window",
)


def architecture(config: Any) -> dict[str, Any]:
    """What a transformers configuration adds to the weights: settings that no tensor's shape tells."""
    of_some = {name: getattr(config, name, None) for name in _OF_SOME}
    there = {name: value for name, value in of_some.items() if value is not None}
    return {**{name: getattr(config, name, None) for name in _USUAL}, **there}


def fingerprint(weights: str, **settings: Any) -> str:
    """A hash of the weights' digest and every setting that changes what they give.

    >>> fingerprint("ab", mode="unpadded") == fingerprint("ab", mode="padded")
    False
    """
    text = json.dumps({"weights": weights, **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
