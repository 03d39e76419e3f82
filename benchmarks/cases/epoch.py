"""One epoch of training over the store, beside a plain loop over features that lie in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from ratio import Times, alternated, table
from record import free_memory
from synthetic import LABELS, stored_examples
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from emovoz import Recipe
from emovoz.features import FrozenEncoders
from emovoz.model import Head
from emovoz.model.layer_mix import WeightedLayers
from emovoz.training import Examples, fit, new_head

TITLE = "one training epoch over the store"
CLIPS, ROUNDS = 2500, 3
EMBEDDED = ["speech.model=whisper-base", "text.model=multilingual-e5-small", "training.epochs=1", "training.keep=last"]
# a plateau needs validations, of which one epoch has none
EMBEDDED += ["training.schedule=none", "augmentation={}"]
SIZES = {
    "as shipped: layers 0, 3 and 6, means of 4 frames": [],
    "full size: all 7 layers, every frame": ["speech.layers=all", "features.stride=1"],
}

Clip = tuple[Mapping[str, Tensor], int]


class PlainMix(nn.Module):
    """The weighted sum of layers as PyTorch says it in a line."""

    def __init__(self, mix: WeightedLayers) -> None:
        super().__init__()
        self.layer_weights = mix.layer_weights

    def forward(self, features: Tensor) -> Tensor:
        """[batch, layer, time, dim] -> [batch, time, dim]."""
        return torch.einsum("bltd,l->btd", features, self.layer_weights.softmax(0))


def measured() -> str:
    """Both sizes, after each other."""
    rows: list[tuple[str, Times, float | None]] = []
    notes = []
    for name, settings in SIZES.items():
        recipe = Recipe.load("bsc-upc-3", overrides=[*EMBEDDED, *settings])
        with stored_examples(recipe, CLIPS) as (examples, encoders):
            precision = _precision(examples)
            clips = _in_memory(examples, precision)
            notes.append(f"{name}: {sum(map(_bytes, clips)) / 1e9:.1f} GB of {precision} in the baseline's memory")
            times = _compared(recipe, examples, encoders, clips, plain=True)
            rows.append((name, times, 1.5))
            times = _compared(recipe, examples, encoders, clips, plain=False)
            rows.append((f"{name}; baseline with emovoz's own sum of layers", times, None))
    return "\n".join(
        [
            f"{CLIPS} clips of 5.5 s (275 frames x 512 of Whisper base; 10 to 20 tokens x 384 of e5), head and batches",
            "of `bsc-upc-3`, no crops, no views. emovoz: `fit` for one epoch, whole, from a store of float16 in the",
            "page cache. Baseline: a plain PyTorch loop over a list of tensors in memory, `pad_sequence`, the same",
            "head, loss and optimiser; its layers are summed by `torch.einsum`, or, where it is said, as emovoz does.",
            f"{'; '.join(notes)}.",
            "",
            table(rows),
        ]
    )


def _compared(
    recipe: Recipe, examples: Examples, encoders: FrozenEncoders, clips: Sequence[Clip], *, plain: bool
) -> Times:
    def fresh() -> Head:
        return new_head(recipe, encoders, tuple(LABELS))

    return alternated(
        lambda: fit(fresh(), examples, None, recipe.training, augmentation=recipe.augmentation),
        partial(_plain_epoch, fresh, clips, recipe.training.batch_size, plain),
        rounds=ROUNDS,
    )


def _plain_epoch(fresh: Callable[[], Head], clips: Sequence[Clip], batch_size: int, plain: bool) -> None:
    head = fresh().train()
    if plain:
        for branch in head.branches.values():
            mix: Any = branch.mix
            branch.mix = PlainMix(mix)
    training = Recipe.load("bsc-upc-3").training
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    counts = torch.bincount(torch.tensor([label for _, label in clips]))
    weights = len(clips) / (len(counts) * counts)
    for batch in _batches(clips, batch_size):
        loss = cross_entropy(head(**{k: v for k, v in batch.items() if k != "labels"}).logits, batch["labels"], weights)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()


def _batches(clips: Sequence[Clip], size: int) -> Iterator[dict[str, Tensor]]:
    for rows in torch.randperm(len(clips)).split(size):
        some = [clips[int(i)] for i in rows]
        batch = {"labels": torch.tensor([label for _, label in some])}
        for name in some[0][0]:
            # pad_sequence pads the first dimension: [time, layer, dim]
            frames = [features[name].float() for features, _ in some]
            batch[name] = pad_sequence([of.transpose(0, 1) for of in frames], batch_first=True).transpose(1, 2)
            lengths = torch.tensor([of.shape[1] for of in frames])
            batch[f"{name}_mask"] = torch.arange(int(lengths.max())) < lengths[:, None]
        yield batch


def _in_memory(examples: Examples, precision: torch.dtype) -> list[Clip]:
    return [
        ({name: values.to(precision) for name, values in features.by_modality.items()}, label)
        for features, label in zip(examples.features, examples.targets, strict=True)
    ]


def _precision(examples: Examples) -> torch.dtype:
    """float32, as a plain loop would have it, but where that leaves too little memory."""
    needed = 2 * len(examples) * sum(values.nbytes for values in examples.features[0].by_modality.values())
    return torch.float32 if 1.6 * needed < free_memory() else torch.float16


def _bytes(clip: Clip) -> int:
    return sum(values.nbytes for values in clip[0].values())
