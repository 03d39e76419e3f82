"""Features of several clips, padded into the tensors that a head takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from emovoz.sequence import MaskedSequence


@dataclass(frozen=True)
class ClipFeatures:
    """What is known of one clip: [layer, time, dim] by modality; a modality it lacks is not in there."""

    by_modality: Mapping[str, Tensor]


def collate(clips: Sequence[ClipFeatures], shapes: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
    """A head's inputs: for each modality float32 features [batch, layer, time, dim] and a mask [batch, time].

    A clip without a modality has no true frame in its mask.

    Args:
        clips: the batch.
        shapes: (layers, dim) of each modality.

    >>> batch = collate([ClipFeatures({"speech": torch.ones(2, 3, 4)}), ClipFeatures({})], {"speech": (2, 4)})
    >>> batch["speech"].shape, batch["speech_mask"].tolist()
    (torch.Size([2, 2, 3, 4]), [[True, True, True], [False, False, False]])
    """
    batch = {}
    for name, (layers, dim) in shapes.items():
        nothing = torch.zeros(layers, 0, dim)
        padded = MaskedSequence.pad([clip.by_modality.get(name, nothing) for clip in clips])
        batch[name], batch[f"{name}_mask"] = padded.features.float(), padded.mask
    return batch
