"""What is minimised."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from emovoz.settings import Training


class Objective(Protocol):
    """The loss that a recipe asks for: `loss_of` with all but logits, targets and total settled."""

    def __call__(self, logits: Tensor, targets: Tensor, *, total: Tensor | None = None) -> Tensor: ...


def objective_of(training: Training, weights: Tensor | None, counts: Tensor) -> Objective:
    """The loss of a recipe.

    Args:
        training: the settings.
        weights: of each class (see `class_weights`).
        counts: how many clips of each class training shows [classes].
    """
    return partial(
        loss_of,
        weights=weights,
        gamma=training.focal_gamma if training.loss == "focal" else 0.0,
        smoothing=training.label_smoothing,
        adjustment=log_frequencies(counts) * training.logit_adjustment if training.logit_adjustment else None,
    )


def loss_of(
    logits: Tensor,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    gamma: float = 0.0,
    smoothing: float = 0.0,
    adjustment: Tensor | None = None,
    total: Tensor | None = None,
) -> Tensor:
    """Mean loss [] of a batch, in which every clip weighs what its label weighs.

    By default it is the cross-entropy. The focal loss multiplies the cost of every label by (1 - p)^gamma, p being the
    label's probability by softmax (Lin et al. 2017); smoothing spreads a share of the target evenly over all labels
    (Szegedy et al. 2016), as `torch.nn.functional.cross_entropy` does; an adjustment is added to the logits (Menon et
    al. 2021). With all of them: smoothed targets, costs of the adjusted logits.

    Args:
        logits: [batch, classes].
        targets: indices [batch], or probabilities [batch, classes]; a clip then weighs the mean over its labels.
        weights: of each class [classes]; None weighs all the same.
        gamma: exponent of the focal loss; 0 is the cross-entropy.
        smoothing: share of the target that is spread.
        adjustment: added to the logits [classes].
        total: divisor of the sum over the batch; by default what its clips weigh. Where a batch is computed in parts,
            what all of them weigh.

    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> loss_of(logits, torch.tensor([0, 1]))
    tensor(0.2201)
    >>> loss_of(logits, torch.eye(2), gamma=2.0)
    tensor(0.0122)
    """
    # whatever precision the head computes in, the loss is computed in float32
    logits = logits.float() if adjustment is None else logits.float() + adjustment
    shares = _shares(targets, logits.shape[1])
    total = weight_of(targets, weights, logits.shape[1]) if total is None else total
    if smoothing:
        shares = (1 - smoothing) * shares + smoothing / logits.shape[1]
    log_p = logits.log_softmax(1)
    costs = -log_p * (shares if weights is None else shares * weights)
    if gamma:
        # away from 0, where the slope of a root has no bound
        costs = costs * (-torch.expm1(log_p)).clamp_min(1e-9) ** gamma
    return costs.sum() / total


def weight_of(targets: Tensor, weights: Tensor | None, classes: int) -> Tensor:
    """What the clips of a batch weigh together []; arguments as in `loss_of`."""
    shares = _shares(targets, classes)
    return (shares if weights is None else shares * weights).sum()


def class_counts(targets: Sequence[int], classes: int) -> Tensor:
    """How many clips each class has [classes]."""
    return torch.bincount(torch.tensor(targets), minlength=classes)


def class_weights(training: Training, counts: Tensor) -> Tensor | None:
    """The weights of the classes [classes], None where all weigh the same.

    `inverse`: 1 / n for a class of n clips, so that every class counts the same. `effective`: 1 / its effective number
    of clips (1 - beta^n) / (1 - beta) (Cui et al. 2019), which lies between the two. Both are scaled so that the mean
    over all clips is 1, and a class without clips has weight 0.

    Args:
        training: the settings.
        counts: how many clips of each class training shows [classes].

    >>> class_weights(Training(class_weights="inverse"), torch.tensor([3, 1])).tolist()
    [0.6666666865348816, 2.0]
    """
    if training.class_weights == "none":
        return None
    # float64, which not every device has
    clips = counts.cpu().double()
    number = clips
    if training.class_weights == "effective":
        number = (1 - training.effective_beta**clips) / (1 - training.effective_beta)
    raw = torch.where(clips > 0, 1 / number, 0.0)
    return (raw * clips.sum() / (raw * clips).sum()).float().to(counts.device)


def log_frequencies(counts: Tensor) -> Tensor:
    """The log of each class's share of the clips [classes]; a class without clips counts as if it had one.

    >>> log_frequencies(torch.tensor([1, 1, 0])).exp()
    tensor([0.5000, 0.5000, 0.5000])
    """
    clips = counts.cpu().double()
    return (clips.clamp_min(1) / clips.sum()).log().float().to(counts.device)


def _shares(targets: Tensor, classes: int) -> Tensor:
    return one_hot(targets, classes).float() if targets.ndim == 1 else targets
