"""The text encoder as transformers has it, for benchmarks to compare with."""

from typing import Any

import torch

from emovoz.encoders.sources import directory_of, locate

NAME = "multilingual-e5-small"


def plain_e5() -> Any:
    """The model, in float32."""
    from transformers import AutoModel

    return AutoModel.from_pretrained(directory_of(locate(NAME)), dtype=torch.float32, add_pooling_layer=False).eval()
