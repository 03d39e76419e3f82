"""A head applied to features, in two steps: pool each clip, then decide."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emovoz.encoders.placement import compute_device, length_batches, to_device
from emovoz.features import ClipFeatures, collate
from emovoz.model import EmotionHead
from emovoz.model.fusion import Part

AT_ONCE, FRAMES = 128, 8000
"""Clips fetched at a time, and frames in a batch; neither changes a result."""


def probabilities(head: EmotionHead, clips: Sequence[ClipFeatures]) -> np.ndarray:
    """Probability of each label for each clip, float64 [clips, labels]; a row does not depend on the others."""
    return decided(head, pooled(head, clips))


@torch.no_grad()
def pooled(head: EmotionHead, clips: Sequence[ClipFeatures]) -> list[ClipFeatures]:
    """Each clip with one vector [dim] a part in the place of features [layer, time, dim]."""
    device = compute_device()
    to_device(head, device).eval()
    vectors: list[ClipFeatures] = []
    for start in range(0, len(clips), AT_ONCE):
        some = clips[start : start + AT_ONCE]
        lengths = [max((values.shape[-2] for values in clip.by_modality.values()), default=0) for clip in some]
        found: dict[int, ClipFeatures] = {}
        for rows in length_batches(lengths, FRAMES):
            batch = collate([some[i] for i in rows], head.config.shapes)
            parts = head.parts(**{name: values.to(device) for name, values in batch.items()})
            for row, i in enumerate(rows):
                kept = {name: part.vector[row].cpu() for name, part in parts.items() if part.present[row]}
                found[i] = ClipFeatures(kept)
        vectors += [found[i] for i in range(len(some))]
    return vectors


@torch.no_grad()
def decided(head: EmotionHead, vectors: Sequence[ClipFeatures]) -> np.ndarray:
    """Probability of each label from what `pooled` gives, float64 [clips, labels]."""
    if not vectors:
        return np.zeros((0, len(head.config.labels)))
    device = compute_device()
    logits = to_device(head, device).eval().decide(parts_of(collate_pooled(vectors, head.fusion.dims), device))
    return logits.double().softmax(1).cpu().numpy()


def collate_pooled(vectors: Sequence[ClipFeatures], dims: dict[str, int]) -> dict[str, Tensor]:
    """For every part `NAME` its vectors [batch, dim], and `NAME_present` bool [batch]."""
    batch = {}
    for name, dim in dims.items():
        found = [clip.by_modality.get(name) for clip in vectors]
        batch[name] = torch.stack([torch.zeros(dim) if vector is None else vector for vector in found])
        batch[f"{name}_present"] = torch.tensor([vector is not None for vector in found])
    return batch


def parts_of(batch: dict[str, Tensor], device: torch.device) -> dict[str, Part]:
    """The parts that `collate_pooled` has laid out, on a device."""
    names = [name for name in batch if f"{name}_present" in batch]
    return {name: Part(batch[name].to(device), batch[f"{name}_present"].to(device)) for name in names}
