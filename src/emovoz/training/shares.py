"""What each of several processes computes of a batch, so that all of them together do what one alone would do.

A batch of the recipe is the batch of all of them: each takes a share of its clips, the shares follow one another, and
the gradients are added up. What is random in a batch is drawn for the whole of it in every process.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, pad
from torch.overrides import TorchFunctionMode
from torch.utils.data import Dataset

from emovoz import processes
from emovoz.recipe import Recipe
from emovoz.training.examples import Example
from emovoz.training.variation import Varied

MASK = "_mask"
"""How the name of a mask [batch, time] ends, after that of its features [batch, layer, time, dim]."""


def faults_of_sharing(recipe: Recipe) -> Iterator[str]:
    """Why as many processes as there are would not give what one gives."""
    count, training, model = processes.count(), recipe.training, recipe.model
    if count == 1 or training.method != "gradient":
        return
    if training.batch_size < count:
        yield (
            f"{count} processes, but training.batch_size is {training.batch_size}: each takes a share of a batch; "
            "start fewer processes, or set a larger training.batch_size and fewer training.accumulation"
        )
    if model.front_end.startswith("resnet"):
        yield (
            f"model.front_end {model.front_end} normalises by all clips of a batch, of which each of {count} processes "
            "would see a share; train it by one process, or choose vgg"
        )
    for name, section in (("speech", recipe.speech), ("text", recipe.text)):
        if section and section.lora and section.lora.dropout:
            yield f"{name}.lora.dropout would be drawn by {count} processes each for itself; set it to 0, or start one"


class OwnShare(Dataset[Example]):
    """Of every batch that is asked for, the clips that this process computes.

    Where a batch has fewer clips than there are processes, some take one of them that counts nothing.
    """

    def __init__(self, examples: Varied) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitems__(self, batch: Sequence[int]) -> list[Example]:
        """Called by the loader of batches."""
        number, count = processes.number(), processes.count()
        own = batch[len(batch) * number // count : len(batch) * (number + 1) // count]
        if own:
            return [self.examples[item] for item in own]
        return [Example(self.examples[batch[0]].features, torch.zeros(self.examples.classes))]


@dataclass(frozen=True)
class Share:
    """The rows of a batch that this process computes, and how many rows the batch has."""

    first: int
    rows: int
    whole: int


def shares_of(
    batches: Sequence[dict[str, Tensor]], weights: Sequence[Tensor]
) -> tuple[list[dict[str, Tensor]], list[Share], Tensor]:
    """The own shares of batches, padded as those of the whole batches would be.

    Args:
        batches: the own shares.
        weights: what the clips of each weigh [].

    Returns:
        the padded shares, their places in their batches, and what the clips of all processes weigh [].
    """
    told = [_told(batch, weight) for batch, weight in zip(batches, weights, strict=True)]
    everyone = processes.gathered(torch.stack(told))
    total = everyone[:, :, 1].sum().float().to(weights[0].device)
    padded, shares = [], []
    for k, batch in enumerate(batches):
        rows = [int(count) for count in everyone[:, k, 0].tolist()]
        before = sum(rows[: processes.number()])
        shares.append(Share(before, rows[processes.number()], sum(rows)))
        padded.append(_padded(batch, [int(frames) for frames in everyone[:, k, 2:].amax(0).tolist()]))
    return padded, shares, total


@contextmanager
def dropout_of_the_batch(share: Share) -> Iterator[None]:
    """Where this process computes its share, dropout leaves out what it would leave out in the whole batch."""
    with _Dropout(share):
        yield


class _Dropout(TorchFunctionMode):
    def __init__(self, share: Share) -> None:
        self.share = share

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is not dropout:
            return func(*args, **given)
        values: Tensor = args[0]
        noise = dropout(values.new_ones(self.share.whole, *values.shape[1:]), **given)
        # a share without clips has one that counts nothing
        first = self.share.first if self.share.rows else 0
        return values * noise[first : first + len(values)]


def add_up_step(model: nn.Module, loss: Tensor, *, last: bool) -> Tensor:
    """The loss over all processes; with the last batch of a step, the model has the gradients of all too."""
    if last:
        processes.add_up_gradients(model.parameters())
    return processes.add_up(loss.clone())


def _told(batch: dict[str, Tensor], weight: Tensor) -> Tensor:
    labels = batch["labels"]
    counts_nothing = labels.ndim == 2 and not bool(labels.any())
    frames = [values.shape[1] for name, values in batch.items() if name.endswith(MASK)]
    return torch.tensor([0 if counts_nothing else len(labels), float(weight), *frames], dtype=torch.float64)


def _padded(batch: dict[str, Tensor], frames: Sequence[int]) -> dict[str, Tensor]:
    padded = dict(batch)
    for name, longest in zip([name for name in batch if name.endswith(MASK)], frames, strict=True):
        more = longest - batch[name].shape[1]
        if more:
            features = name.removesuffix(MASK)
            padded[name] = pad(batch[name], (0, more))
            padded[features] = pad(batch[features], (0, 0, 0, more))
    return padded
