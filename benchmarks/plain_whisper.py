"""Whisper's encoder as transformers has it, for benchmarks to compare with."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu

from emovoz.encoders.sources import directory_of, locate


def plain_whisper() -> Any:
    """The encoder of Whisper base, in float32."""
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    return WhisperEncoder.from_pretrained(directory_of(locate("whisper-base")), dtype=torch.float32).eval()


def unpadded_states(plain: Any, mel: Tensor) -> Tensor:
    """All hidden states [layer, time, dim] of one clip [1, band, frame], module by module: its forward wants 30 s."""
    hidden = gelu(plain.conv2(gelu(plain.conv1(mel)))).transpose(1, 2)
    states = [hidden + plain.embed_positions.weight[: hidden.shape[1]]]
    for layer in plain.layers:
        out = layer(states[-1], None)
        states.append(out if isinstance(out, Tensor) else out[0])
    return torch.cat([*states[:-1], plain.layer_norm(states[-1])])
