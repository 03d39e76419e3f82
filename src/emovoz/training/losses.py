"""What is minimised."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def inverse_frequency_weights(targets: Sequence[int], classes: int) -> Tensor:
    """A weight a class: clips / (classes x clips of the class), so that every class counts the same.

    A class without clips gets weight 0.

    >>> inverse_frequency_weights([0, 0, 0, 1], 2).tolist()
    [0.6666666865348816, 2.0]
    """
    counts = torch.bincount(torch.tensor(targets), minlength=classes).float()
    return torch.where(counts > 0, len(targets) / (classes * counts), 0.0)


def weighted_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Mean cross-entropy [] of a batch, in which every clip weighs what its label weighs.

    Args:
        logits: [batch, classes].
        targets: indices [batch], or probabilities [batch, classes]; a clip then weighs the mean over its labels.
        weights: of each class [classes]; None weighs all the same.

    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> weighted_cross_entropy(logits, torch.tensor([0, 1]), None)
    tensor(0.2201)
    >>> weighted_cross_entropy(logits, torch.eye(2), None)
    tensor(0.2201)
    """
    if targets.ndim == 1:
        return cross_entropy(logits, targets, weight=weights)
    weighted = targets if weights is None else targets * weights
    return -(weighted * logits.log_softmax(1)).sum() / weighted.sum()
