"""Examples: features with their labels, as training sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from emovoz.corpus import Corpus
from emovoz.features import ClipFeatures, FeatureStore, FrozenEncoders, Picked, StoredFeatures, collate


@dataclass(frozen=True)
class Example:
    """One clip's features and the index of its label."""

    features: ClipFeatures
    target: int


class Examples(Dataset[Example]):
    """Clips with labels.

    Args:
        features: of each clip.
        targets: index of each clip's label.
        pooled: whether the features are pooled vectors already (see `emovoz.inference.pooled`).
        modality_dropout: chance that a clip with both modalities is shown without one of them.
        seed: with the epoch and the clip's position it decides what is dropped, so a resumed run drops the same.
    """

    def __init__(
        self,
        features: Sequence[ClipFeatures],
        targets: Sequence[int],
        *,
        pooled: bool = False,
        modality_dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.features, self.targets, self.pooled = features, list(targets), pooled
        self.modality_dropout, self.seed, self.epoch = modality_dropout, seed, 0

    def select(self, positions: Sequence[int]) -> "Examples":
        """The examples at these positions."""
        return Examples(Picked(self.features, positions), [self.targets[i] for i in positions], pooled=self.pooled)

    def dropping(self, chance: float, seed: int) -> "Examples":
        """The same examples, now and then without one of their modalities."""
        return Examples(self.features, self.targets, pooled=self.pooled, modality_dropout=chance, seed=seed)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, i: int) -> Example:
        features = self.features[i]
        if self.modality_dropout and len(features.by_modality) > 1:
            random = np.random.default_rng([self.seed, self.epoch, i])
            if random.random() < self.modality_dropout:
                dropped = sorted(features.by_modality)[random.integers(len(features.by_modality))]
                kept = {name: values for name, values in features.by_modality.items() if name != dropped}
                features = ClipFeatures(kept)
        return Example(features, self.targets[i])


def stored_examples(corpus: Corpus, encoders: FrozenEncoders, store: FeatureStore, labels: Sequence[str]) -> Examples:
    """A labelled corpus whose features are in the store."""
    index = {label: i for i, label in enumerate(labels)}
    return Examples(StoredFeatures(corpus, encoders, store), [index[label] for label in corpus.values("label")])


def collate_examples(examples: Sequence[Example], shapes: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
    """A head's inputs, labels included."""
    batch = collate([example.features for example in examples], shapes)
    return {**batch, "labels": torch.tensor([example.target for example in examples])}
