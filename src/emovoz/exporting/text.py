"""Text encoders as graphs over padded batches."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emovoz.encoders import TextEncoder
from emovoz.encoders.packed import unpacked
from emovoz.encoders.text import TUNABLE


class TextGraph(nn.Module):
    """Tokens to the hidden states of some layers, padding masked in attention.

    Args:
        encoder: frozen, of a family that `without_graph` finds nothing wrong with.
        layers: hidden states wanted.
    """

    def __init__(self, encoder: TextEncoder, layers: Sequence[int]) -> None:
        super().__init__()
        plain = unpacked(encoder)
        self.layers = list(layers)
        self.embeddings = plain.model.embeddings
        # ELECTRA brings its embeddings to the width of its layers
        self.widen = getattr(plain.model, "embeddings_project", None) or nn.Identity()
        self.blocks = nn.ModuleList(plain.blocks[: max(layers)])

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states.

        Args:
            input_ids: int64 [batch, tokens].
            attention_mask: int64 [batch, tokens], 1 up to each text's end, then 0.

        Returns:
            float32 [batch, layer, tokens, dim], zero behind a text's end, and bool [batch, tokens].
        """
        mask = attention_mask > 0
        hidden = self.widen(self.embeddings(input_ids))
        padding = torch.finfo(hidden.dtype).min * (~mask[:, None, None]).to(hidden.dtype)
        states = [hidden]
        for block in self.blocks:
            states.append(block(states[-1], padding))
        stacked = torch.stack([states[layer] for layer in self.layers], dim=1)
        return stacked.masked_fill(~mask[:, None, :, None], 0.0), mask


def without_graph(encoder: TextEncoder) -> str | None:
    """Why there is no graph of an encoder; None where there is one."""
    config: Any = encoder.model.config
    if config.model_type in TUNABLE:
        return None
    return f"the family {config.model_type} has no graph here; these have: {', '.join(sorted(TUNABLE))}"
