"""Clips whose features are random values, in a real store: what reading and training cost does not depend on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from emovoz import Clip, Corpus, FeatureStore, Recipe
from emovoz.corpus import Waveform
from emovoz.features import FrozenEncoders, StoredFeatures
from emovoz.features.branch import Branch
from emovoz.training.examples import Examples, labelled_examples

LABELS = ["anger", "disgust", "fear", "joy", "neutral", "sadness"]
SECONDS, TOKENS = 5.5, 15


@contextmanager
def stored_examples(recipe: Recipe, clips: int) -> Iterator[tuple[Examples, FrozenEncoders]]:
    """So many clips of 5.5 s and about 15 tokens, in a store that is deleted again."""
    with TemporaryDirectory() as folder:
        fill_store(recipe, clips, folder)
        yield examples_in(folder, recipe, clips)


def fill_store(recipe: Recipe, clips: int, folder: str) -> None:
    """Write the features of so many clips."""
    store = FeatureStore(folder)
    for branch in FrozenEncoders.of(recipe).branches.values():
        _fill(store, branch, _corpus(clips))


def examples_in(folder: str, recipe: Recipe, clips: int) -> tuple[Examples, FrozenEncoders]:
    """What `fill_store` has written."""
    encoders, corpus = FrozenEncoders.of(recipe), _corpus(clips)
    return labelled_examples(corpus, StoredFeatures(corpus, encoders, FeatureStore(folder)), encoders, LABELS), encoders


def _corpus(clips: int) -> Corpus:
    # a few samples each, so that no two are the same; the features are those of clips of 5.5 s
    samples = [Waveform(np.array([i, 1, 2, 3], np.float32), 16_000) for i in range(clips)]
    return Corpus(
        [Clip(str(i), audio, transcription=str(i), label=LABELS[i % len(LABELS)]) for i, audio in enumerate(samples)]
    )


def _fill(store: FeatureStore, branch: Branch, corpus: Corpus) -> None:
    random = torch.Generator().manual_seed(0)
    # drawn once, and begun elsewhere for each clip: random numbers cost more than the disk
    pool = torch.randn(2**24, generator=random).half()
    with store.writing(branch.encoder.fingerprint) as writer:
        for i, clip in enumerate(corpus):
            (piece,) = branch.pieces(clip)
            writer.add(piece.key, _features(branch, pool, i), branch.view_of(piece))


def _features(branch: Branch, pool: Tensor, i: int) -> dict[int, Tensor]:
    frames = TOKENS - 5 + i % 11 if branch.name == "text" else round(SECONDS * (branch.frame_rate or 1))
    layers, size = len(branch.layers), frames * branch.encoder.dim
    start = i * 7919 % (len(pool) - layers * size)
    values = pool[start : start + layers * size].view(layers, frames, branch.encoder.dim)
    return dict(zip(branch.layers, values, strict=True))
