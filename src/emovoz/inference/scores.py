"""A head applied to features, in two steps: pool each clip, then decide."""

from collections.abc import Container, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from emovoz.encoders.placement import compute_device, length_batches, to_device
from emovoz.features import ClipFeatures, LongClipFeatures, collate, read_ahead
from emovoz.model import Head
from emovoz.model.fusion import Part

AT_ONCE, FRAMES = 16, 8000
"""Clips fetched at a time, and frames in a batch; neither changes a result."""


def probabilities(head: Head, clips: Sequence[ClipFeatures]) -> np.ndarray:
    """Probability of each label for each clip, float64 [clips, labels]; a row does not depend on the others."""
    return decided(head, pooled(head, clips))


@torch.no_grad()
def pooled(head: Head, clips: Sequence[ClipFeatures]) -> list[ClipFeatures]:
    """Each clip with one vector [dim] a part in the place of features [layer, time, dim]."""
    to_device(head, compute_device()).eval()
    batches = _batches(head, clips)
    found: dict[int, ClipFeatures] = {}
    for rows, given in read_ahead(batches) if len(clips) > AT_ONCE else batches:
        if isinstance(given, LongClipFeatures):
            found[rows[0]] = _pooled_in_pieces(head, given)
        else:
            parts = head.parts(**given)
            found |= {i: _row(parts, row) for row, i in enumerate(rows)}
    return [found[i] for i in range(len(clips))]


def _batches(
    head: Head, clips: Sequence[ClipFeatures]
) -> Iterator[tuple[list[int], dict[str, Tensor] | LongClipFeatures]]:
    """Positions of clips and a head's inputs for them, or one that is too long to be put into a batch."""
    for start in range(0, len(clips), AT_ONCE):
        some = clips[start : start + AT_ONCE]
        short = []
        for i, clip in enumerate(some):
            if isinstance(clip, LongClipFeatures):
                yield [start + i], clip
            else:
                short.append(i)
        lengths = [max((some[i].form(name)[0] for name in some[i].modalities()), default=0) for i in short]
        for batch in length_batches(lengths, FRAMES):
            rows = [short[k] for k in batch]
            yield [start + i for i in rows], inputs_of(head, [some[i] for i in rows])


def _pooled_in_pieces(head: Head, clip: LongClipFeatures) -> ClipFeatures:
    return _row(head.parts_in_pieces(_piece_inputs(head, clip)), 0)


def _piece_inputs(head: Head, clip: LongClipFeatures) -> Iterator[dict[str, Tensor]]:
    """Inputs of every branch for the first piece, of those that go on for each other."""
    for k, piece in enumerate(clip.pieces()):
        yield inputs_of(head, [piece], only=None if k == 0 else piece.by_modality)


def inputs_of(head: Head, clips: Sequence[ClipFeatures], only: Container[str] | None = None) -> dict[str, Tensor]:
    """A head's inputs for a batch of clips, on the device; of `only` these branches."""
    shapes = {name: shape for name, shape in head.input_shapes.items() if only is None or name in only}
    return {name: values.to(compute_device()) for name, values in collate(clips, shapes).items()}


def _row(parts: Mapping[str, Part], row: int) -> ClipFeatures:
    return ClipFeatures({name: part.vector[row].cpu() for name, part in parts.items() if part.present[row]})


@torch.no_grad()
def decided(head: Head, vectors: Sequence[ClipFeatures]) -> np.ndarray:
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
