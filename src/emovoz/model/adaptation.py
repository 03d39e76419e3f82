"""SpeakerAdaptation: pooled speech as it would be if everybody had the same voice."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

PRIOR_CLIPS = 3.0
"""How many clips of a voice what is usual counts as."""


class SpeakerAdaptation(nn.Module):
    """Takes a voice's own mean and deviation out of pooled vectors, as far as its clips tell them.

    Each value of a voice is taken as normal, and mean and variance of the voice as drawn from what is usual among the
    training clips: the normal-inverse-chi-squared prior (Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.3),
    whose posterior from few clips stays near the usual and from many is the voice's own. With m and v the training
    mean and the variance within training speakers, and n clips of the voice with mean x and sum of squared deviations
    from it s:

        offset = n / (n + k) (x - m)
        variance = (k v + s + k n / (n + k) (x - m)^2) / (k + n)
        adapted = m + (vector - m - offset) sqrt(v / variance)

    where the prior counts as k = 3 clips, the relevance factor of MAP adaptation (Gauvain & Lee 1994). Without a clip
    nothing changes.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))
        # saved with the head, so that a model adapts as it did when it was measured
        self.register_buffer("prior_clips", torch.tensor(PRIOR_CLIPS))
        self.mean: Tensor
        self.deviation: Tensor
        self.prior_clips: Tensor

    @torch.no_grad()
    def fit(self, vectors: Tensor, speakers: Sequence[str | None]) -> None:
        """Measure what is usual.

        Args:
            vectors: of the training clips [clips, dim].
            speakers: of each; the deviation is that within speakers, where every clip names one, else that over all.
        """
        values = vectors.double()
        self.mean.copy_(values.mean(0))
        groups = by_speaker(speakers) if all(speakers) else [list(range(len(values)))]
        squares = sum(values[own].var(0, correction=0) * len(own) for own in groups)
        self.deviation.copy_((torch.as_tensor(squares) / len(values)).sqrt())

    @torch.no_grad()
    def forward(self, vectors: Tensor, enrolment: Tensor) -> Tensor:
        """Vectors of one voice [..., dim], adapted by unlabelled clips of it [n, dim] -> [..., dim]."""
        n = len(enrolment)
        if n == 0:
            return vectors
        mean, usual = self.mean.double(), self.deviation.double() ** 2
        k = self.prior_clips.double()
        own = enrolment.double()
        gap = own.mean(0) - mean
        squares = ((own - own.mean(0)) ** 2).sum(0)
        variance = (k * usual + squares + k * n / (n + k) * gap**2) / (k + n)
        # what never varied in training says nothing of a voice
        scale = torch.where(usual > 1e-14, (usual / variance.clamp_min(1e-14)).sqrt(), 1.0)
        return (mean + (vectors.double() - mean - n / (n + k) * gap) * scale).to(vectors.dtype)


def by_speaker(speakers: Sequence[str | None]) -> list[list[int]]:
    """Positions of the clips of each speaker."""
    rows: dict[str | None, list[int]] = {}
    for i, speaker in enumerate(speakers):
        rows.setdefault(speaker, []).append(i)
    return list(rows.values())
