"""Which clips an epoch shows, and in which order."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor
from torch.utils.data import Sampler

from emovoz.settings import Training


def shown_counts(training: Training, counts: Tensor) -> Tensor:
    """How often an epoch shows each class [classes], up to a factor, if it has so many clips."""
    return (counts > 0).long() if training.sampling == "balanced" else counts


class Balanced(Sampler[int]):
    """As many positions an epoch as there are clips, every label equally often.

    Labels differ by one where the number does not divide; which have one more is drawn. The clips of a label come in
    a random order, and all of them before one comes again: then its position has the number of clips added each time,
    by which `Varied` shows it otherwise. Seed and epoch alone decide, so a resumed run goes on with the same.

    Args:
        targets: index of each clip's label.
        seed: of the training.
    """

    def __init__(self, targets: Sequence[int], seed: int) -> None:
        self.targets, self.seed, self.epoch = np.asarray(targets), seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Said by the Trainer before every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.targets)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng([self.seed, self.epoch])
        labels = random.permutation(np.unique(self.targets))
        each, more = divmod(len(self), len(labels))
        drawn = [self._drawn(label, each + (i < more), random) for i, label in enumerate(labels)]
        yield from random.permutation(np.concatenate(drawn)).tolist()

    def _drawn(self, label: int, wanted: int, random: np.random.Generator) -> np.ndarray:
        positions = np.flatnonzero(self.targets == label)
        rounds = range(math.ceil(wanted / len(positions)))
        return np.concatenate([random.permutation(positions) + before * len(self) for before in rounds])[:wanted]
