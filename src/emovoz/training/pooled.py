"""Training on pooled vectors: where nothing before pooling can learn, a clip's vectors are made once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from emovoz.inference.scores import collate_pooled, decided, parts_of, pooled, probabilities
from emovoz.model import Head
from emovoz.model.head import HeadOutput
from emovoz.training.examples import Example, Examples
from emovoz.training.finite import check_features


def pooled_examples(head: Head, examples: Examples) -> Examples:
    """The same examples with one vector [dim] a part in the place of features, unless they have them already."""
    if examples.pooled:
        return examples
    features, *views = (pooled(head, clips) for clips in (examples.features, *examples.views))
    check_features(examples.ids, features, *views)
    return replace(examples, features=features, views=views, pooled=True)


def pooled_where_fixed(head: Head, examples: Examples) -> Examples:
    """Pooled examples where nothing before pooling can learn, else the examples as they are."""
    return pooled_examples(head, examples) if head.pooling_is_fixed else examples


def scored(head: Head, examples: Examples) -> np.ndarray:
    """Probability of each label for each clip, float64 [clips, labels], whether they are pooled or not."""
    return (decided if examples.pooled else probabilities)(head, examples.features)


def fit_scales(head: Head, examples: Examples) -> None:
    """Measure what the head scales its parts by, each over the clips that have it (not views)."""
    for name, scale in head.join.measured.items():
        vectors = [clip.by_modality[name] for clip in examples.features if name in clip.by_modality]
        if vectors:
            scale.fit(torch.stack(vectors).to(head.device))


class Decider(nn.Module):
    """What a head does after pooling, as a model of its own for training; the modules are the head's."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.join, self.classifier = head.join, head.classifier

    def forward(self, labels: Tensor | None = None, **vectors: Tensor) -> HeadOutput:
        """Logits from what `collate_pooled_examples` makes."""
        return HeadOutput(None, self.classifier(self.joined(vectors)))

    def joined(self, vectors: dict[str, Tensor]) -> Tensor:
        """The vectors [batch, dim] that the classifier sees."""
        return self.join(parts_of(vectors, next(self.classifier.parameters()).device))


def collate_pooled_examples(examples: Sequence[Example], dims: Mapping[str, int]) -> dict[str, Tensor]:
    """A Decider's inputs, labels included."""
    batch = collate_pooled([example.features for example in examples], dict(dims))
    return {**batch, "labels": torch.stack([example.target for example in examples])}
