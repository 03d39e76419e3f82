"""How a head's pooling weighs the frames, where it learns to."""

from collections.abc import Mapping

import torch
from torch import Tensor

from emovoz.model.head import Head
from emovoz.model.pooling import WeightedPooling


@torch.no_grad()
def attention_weights(head: Head, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weight of each frame of one clip [time] by branch, means over the heads of the pooling.

    The weights of all that is pooled together sum to one: of a branch, or with fusion along time of all branches.

    Args:
        head: in eval mode.
        given: arguments of `forward` for a batch of one.

    Returns:
        none of branches whose pooling learns no weights.
    """
    branches = head.sequences(**given)
    found: dict[str, Tensor] = {}
    for part, sequence in head.fusion.sequences(branches).items():
        pool = head.fusion.pool_of(part)
        if not isinstance(pool, WeightedPooling) or not [*pool.parameters()]:
            continue
        weights = pool.weights(sequence)[0].mean(-1).cpu()
        if part in branches:
            found[part] = weights
            continue
        # along time each branch follows the vector that stands for it where a clip lacks it
        stand_ins = getattr(head.fusion, "absent", ())
        sizes = [int(name in stand_ins) + of.mask.shape[1] for name, of in branches.items()]
        for name, of in zip(branches, weights.split(sizes), strict=True):
            found[name] = of[int(name in stand_ins) :]
    return {name: of for name, of in found.items() if len(of)}
