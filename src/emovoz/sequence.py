"""MaskedSequence: features of clips of different lengths, and which of their frames are real."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MaskedSequence:
    """A batch of sequences; nothing after the encoders takes features without their mask.

    Attributes:
        features: [batch, time, dim], or with layers [batch, layer, time, dim].
        mask: bool [batch, time], true where a frame is real.

    >>> batch = MaskedSequence.pad([torch.ones(2, 3), torch.ones(1, 3)])
    >>> batch.features.shape, batch.mask.tolist()
    (torch.Size([2, 2, 3]), [[True, True], [True, False]])
    """

    features: Tensor
    mask: Tensor

    @classmethod
    def pad(cls, sequences: Sequence[Tensor]) -> "MaskedSequence":
        """Batch sequences [..., time, dim] by zeros after their last frame."""
        first = sequences[0]
        lengths = torch.tensor([sequence.shape[-2] for sequence in sequences])
        longest = int(lengths.max())
        features = first.new_zeros(len(sequences), *first.shape[:-2], longest, first.shape[-1])
        for row, sequence in zip(features, sequences, strict=True):
            row[..., : sequence.shape[-2], :] = sequence
        return cls(features, frame_mask(lengths, longest).to(first.device))

    def unpad(self) -> list[Tensor]:
        """The sequences [..., time, dim] without their padding."""
        lengths = self.mask.sum(1).tolist()
        return [row[..., :length, :] for row, length in zip(self.features, lengths, strict=True)]


def frame_mask(lengths: Tensor, longest: int) -> Tensor:
    """bool [batch, time]: the first `lengths[i]` frames of row i.

    >>> frame_mask(torch.tensor([1, 2]), 2).tolist()
    [[True, False], [True, True]]
    """
    return torch.arange(longest, device=lengths.device) < lengths[:, None]
