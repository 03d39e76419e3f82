"""Judge: what decides, asked about clips of which something is hidden."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from torch import Tensor

from emovoz.corpus import Clip
from emovoz.errors import ClipError
from emovoz.features import ClipFeatures, FrozenEncoders, encode_clips
from emovoz.inference.adaptation import adapted
from emovoz.inference.scores import decided, pooled
from emovoz.inference.temperature import tempered
from emovoz.model import Head

T = TypeVar("T")
Features = Mapping[str, Tensor]
"""Of a clip, [layer, time, dim] by branch."""
AT_ONCE = 8
"""Altered clips that are in memory; of a minute by a large encoder, one has a hundred megabytes."""
LEAST = 1e-12
"""Smaller probabilities count as this, so that log-odds stay finite."""


@dataclass(frozen=True)
class Judge:
    """A head with all that decides by it, and the encoders it goes by.

    Attributes:
        encoders: of the clips.
        labels: what is told apart.
        scores: probabilities [clips, labels] from features of clips.
    """

    encoders: FrozenEncoders
    labels: tuple[str, ...]
    scores: Callable[[Sequence[ClipFeatures]], np.ndarray]

    @classmethod
    def of(
        cls,
        head: Head,
        encoders: FrozenEncoders,
        temperature: float | None = None,
        voice: Sequence[ClipFeatures] = (),
    ) -> "Judge":
        """A head, with the temperature of its probabilities, and the pooled clips of a voice that it is adapted to."""

        def scores(clips: Sequence[ClipFeatures]) -> np.ndarray:
            vectors = pooled(head, clips)
            return tempered(decided(head, adapted(head, vectors, voice) if voice else vectors), temperature)

        return cls(encoders, head.config.labels, scores)

    def log_odds(self, features: Features, variants: Iterable[Features], label: str) -> tuple[float, np.ndarray]:
        """Log-odds of a label: the logarithm of its probability over that of all others.

        Args:
            features: of a clip.
            variants: of the clip altered, which are asked for a few at a time.
            label: whose.

        Returns:
            of the clip; and of its variants [variants].
        """
        all_of_it = (ClipFeatures(one) for one in chain([features], variants))
        scores = np.concatenate([self.scores(some) for some in _few(all_of_it)])
        own = self.labels.index(label)
        # the sum of the others, because one minus a probability near one has no digits left
        others = np.delete(scores, own, axis=1).sum(1)
        whole, *rest = np.log(np.maximum(scores[:, own], LEAST)) - np.log(np.maximum(others, LEAST))
        return float(whole), np.array(rest)

    def of_modality(self, features: Features, modality: str) -> Features:
        """The branches of a modality, `speech` or `text`."""
        branches = self.encoders.branches
        return {name: of for name, of in features.items() if branches[name].modality == modality}

    def encoded(self, clips: Iterable[Clip], rest: Features) -> Iterator[Features]:
        """Features of altered clips, those of the branches that they lack as in `rest`.

        A clip of which nothing is left to hear has none but these.
        """
        for some in _few(clips):
            for found in encode_clips(some, self.encoders):
                yield rest if isinstance(found, ClipError) else {**rest, **found.by_modality}


def _few(items: Iterable[T]) -> Iterator[list[T]]:
    """Items, as many together as may be in memory at once."""
    left = iter(items)
    while some := list(islice(left, AT_ONCE)):
        yield some


def probability(log_odds: float | np.ndarray) -> np.ndarray:
    """The probability that has these log-odds.

    >>> probability(np.array([0.0, 2.0])).round(3).tolist()
    [0.5, 0.881]
    """
    return 1 / (1 + np.exp(-np.asarray(log_odds)))
