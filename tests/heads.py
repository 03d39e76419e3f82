"""Small heads and batches for them."""

from typing import Any, get_args

import torch
from torch import Tensor

from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.sequence import frame_mask
from emovoz.settings import Model

SHAPES = {"speech": (3, 8), "text": (2, 4)}
LABELS = ["anger", "fear", "joy"]
POOLINGS, SEQUENCES, FUSIONS, MIXES = (
    get_args(Model.model_fields[name].annotation) for name in ("pooling", "sequence", "fusion", "layer_mix")
)
TWO_HEADS = {"sequence_heads": 2, "pooling_heads": 2}

Batch = dict[str, Tensor]


def make_head(shapes: dict[str, tuple[int, int]] | None = None, **settings: Any) -> EmotionHead:
    """A head in eval mode whose weights are no longer the symmetric initial ones."""
    torch.manual_seed(0)
    config = EmotionHeadConfig.of(Model(hidden_width=16, **(TWO_HEADS | settings)), shapes or SHAPES, LABELS)
    head = EmotionHead(config).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return head


def make_batch(*lengths: tuple[int, ...], shapes: dict[str, tuple[int, int]] | None = None, seed: int = 1) -> Batch:
    """Clips of these (speech, text) lengths, zeros after their ends."""
    random = torch.Generator().manual_seed(seed)
    batch: Batch = {}
    for i, (name, (layers, dim)) in enumerate((shapes or SHAPES).items()):
        sizes = torch.tensor([pair[i] for pair in lengths])
        mask = frame_mask(sizes, max(1, int(sizes.max())))
        frames = torch.randn(len(lengths), layers, mask.shape[1], dim, generator=random)
        batch |= {name: frames * mask[:, None, :, None], f"{name}_mask": mask}
    return batch


def row(batch: Batch, index: int) -> Batch:
    """One clip of a batch without its padding."""
    alone: Batch = {}
    for name in SHAPES:
        length = int(batch[f"{name}_mask"][index].sum())
        alone[name] = batch[name][index : index + 1, :, :length]
        alone[f"{name}_mask"] = torch.ones(1, length, dtype=torch.bool)
    return alone
