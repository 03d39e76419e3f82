"""Examples: features with their labels, as training sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import Dataset

from emovoz.corpus import Corpus
from emovoz.features import ClipFeatures, FrozenEncoders, Picked, collate


@dataclass(frozen=True)
class Example:
    """One clip's features, and its label: an index [], or the probability of each [classes]."""

    features: ClipFeatures
    target: Tensor


@dataclass(frozen=True, eq=False)
class Examples(Dataset[Example]):
    """Clips with labels.

    Attributes:
        features: of each clip.
        targets: index of each clip's label.
        ids: of each clip; with seed and epoch they decide what is random in training.
        pooled: whether the features are pooled vectors already (see `emovoz.inference.pooled`).
        frame_rate: of the speech features, Hz; None where there are none or it is unknown.
        word_places: of each clip, what `emovoz.training.word_places` says; None where crops keep all words.
        views: altered copies of all clips, each with features like `features`.
        speakers: of each clip, None where unknown; none at all where nobody asks.
    """

    features: Sequence[ClipFeatures]
    targets: Sequence[int]
    ids: Sequence[str]
    pooled: bool = False
    frame_rate: float | None = None
    word_places: Sequence[Tensor | None] | None = None
    views: Sequence[Sequence[ClipFeatures]] = ()
    speakers: Sequence[str | None] = ()

    def select(self, positions: Sequence[int]) -> "Examples":
        """The examples at these positions."""
        return replace(
            self,
            features=Picked(self.features, positions),
            targets=[self.targets[i] for i in positions],
            ids=[self.ids[i] for i in positions],
            speakers=[self.speakers[i] for i in positions] if self.speakers else (),
            word_places=self.word_places and [self.word_places[i] for i in positions],
            views=[Picked(view, positions) for view in self.views],
        )

    def view(self, number: int, i: int) -> Example:
        """Clip i as one of its views."""
        return Example(self.views[number][i], torch.tensor(self.targets[i]))

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, i: int) -> Example:
        return Example(self.features[i], torch.tensor(self.targets[i]))


def labelled_examples(
    corpus: Corpus,
    features: Sequence[ClipFeatures],
    encoders: FrozenEncoders,
    labels: Sequence[str],
    views: Sequence[Sequence[ClipFeatures]] = (),
) -> Examples:
    """A labelled corpus with the features of its clips (see `emovoz.features.features_of`)."""
    index = {label: i for i, label in enumerate(labels)}
    return Examples(
        features,
        [index[label] for label in corpus.values("label")],
        [clip.id for clip in corpus],
        speakers=[clip.speaker for clip in corpus],
        views=views,
        frame_rate=encoders.frame_rate,
    )


def collate_examples(examples: Sequence[Example], shapes: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
    """A head's inputs, labels included."""
    batch = collate([example.features for example in examples], shapes)
    return {**batch, "labels": torch.stack([example.target for example in examples])}
