"""The head as a graph: hidden states as the encoders' graphs give them, to probabilities."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from emovoz.features import FrozenEncoders
from emovoz.model import Head
from emovoz.model.front_end import FrontEnd


class HeadGraph(nn.Module):
    """What is done with hidden states on their way to a decision: averaged and rounded as in the store, then the head.

    Args:
        head: trained, not tuned inside the encoders.
        encoders: those whose features it was trained on.
        temperature: by which its logits are divided; None leaves them as they are.
    """

    def __init__(self, head: Head, encoders: FrozenEncoders, temperature: float | None) -> None:
        super().__init__()
        self.head, self.temperature = head, temperature or 1.0
        self.kept = {name: (branch.stride, branch.precision) for name, branch in encoders.branches.items()}

    def forward(
        self,
        speech: Tensor | None = None,
        speech_mask: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
        ngrams: Tensor | None = None,
        ngrams_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits and probabilities [batch, labels].

        Args:
            speech, text, ngrams: of each branch the head has, [batch, layer, time, dim].
            speech_mask, text_mask, ngrams_mask: bool [batch, time]; a clip that lacks one has no true frame in it.
        """
        given = {"speech": (speech, speech_mask), "text": (text, text_mask), "ngrams": (ngrams, ngrams_mask)}
        inputs: dict[str, Tensor | None] = {}
        for name, (features, mask) in given.items():
            if features is not None and mask is not None:
                inputs[name], inputs[f"{name}_mask"] = self._as_stored(name, features, mask)
        logits = self.head.decide(self.head.parts(**inputs))
        return logits, (logits / self.temperature).softmax(1)

    def _as_stored(self, name: str, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        stride, precision = self.kept[name]
        if stride > 1:
            features, mask = averaged(features, mask, stride)
        return (rounded(features) if precision == "float16" else features), mask


def averaged(features: Tensor, mask: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Means of so many frames [batch, layer, time, dim], the last of what is left of a clip, and their mask."""
    whole = (mask.shape[1] + stride - 1) // stride * stride
    more = features.masked_fill(~mask[:, None, :, None], 0.0)
    more = pad(more, (0, 0, 0, stride - 1))[:, :, :whole].unflatten(2, (-1, stride))
    real = pad(mask, (0, stride - 1))[:, :whole].unflatten(1, (-1, stride))
    counts = real.sum(2).clamp(min=1)
    return more.sum(3) / counts[:, None, :, None], real.any(2)


def rounded(features: Tensor) -> Tensor:
    """To what float16 keeps, but for a layer of a clip with values beyond its range (see `features.store.stored`)."""
    half = features.half().float()
    return torch.where(half.isfinite().all(3).all(2)[..., None, None], half, features)


def example_inputs(head: Head, stride: int = 1) -> dict[str, Tensor]:
    """A batch of two by which the graph is traced.

    Its speech is long enough to leave several frames after averaging and convolving: the tracer takes an axis of
    length 1 for one that is always 1.
    """
    halvings = sum(len(module.stages) for module in head.modules() if isinstance(module, FrontEnd))
    lengths = {"speech": 8 * stride * 2**halvings, "text": 9, "ngrams": 1}
    inputs = {}
    for name, (layers, dim) in head.config.shapes.items():
        inputs[name] = torch.rand(2, layers, lengths[name], dim)
        inputs[f"{name}_mask"] = torch.ones(2, lengths[name], dtype=torch.bool)
    return inputs
