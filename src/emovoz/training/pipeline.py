"""train: a labelled corpus and a recipe in, a recogniser out."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from emovoz.corpus import Corpus, held_out
from emovoz.encoders.placement import compute_device, computes_in_bfloat16
from emovoz.errors import ClipError, InputError
from emovoz.features import FeatureStore, FrozenEncoders, default_store, features_of
from emovoz.inference import Recognizer
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.recipe import Recipe
from emovoz.training.checkpoints import SECONDS, Checkpoint, open_checkpoint
from emovoz.training.examples import Examples, labelled_examples
from emovoz.training.fitting import Fitted, fit
from emovoz.training.pooled import pooled_where_fixed
from emovoz.training.tracking import Run, check_tracker


def train(
    corpus: Corpus,
    recipe: Recipe,
    *,
    dev: Corpus | None = None,
    store: FeatureStore | None = None,
    workers: int = 2,
    checkpoint: Path | str | None = None,
    resume: bool = False,
    checkpoint_seconds: float = SECONDS,
) -> Recognizer:
    """Train a recogniser.

    A training that is stopped and resumed gives the same recogniser, bit for bit on the same machine, as one that
    is not.

    Args:
        corpus: labelled clips.
        recipe: what to build and how.
        dev: clips that choose or judge the epochs; by default a part of the corpus, with other speakers where known.
        store: where features are kept; by default in the user's cache.
        workers: threads that decode audio.
        checkpoint: folder for checkpoints, beside the model and not in it; `remove_checkpoint` removes them once the
            model is saved.
        resume: go on from the checkpoint that lies there; where there is none, start from the beginning.
        checkpoint_seconds: between two checkpoints, at least; there is one at most after every epoch, and after
            every fit.

    Raises:
        InputError: clips that cannot be used, a dev label that training does not have, a single label, or a
            checkpoint of another training.

    >>> recognizer = train(corpus.split("train"), Recipe.load("text", ["training.epochs=2"]))
    >>> recognizer.save_pretrained(f"{model}-of-words")
    """
    labels = corpus.labels
    _check_labels(corpus, dev)
    check_ready(recipe, dev=dev is not None)
    store = store or FeatureStore(default_store())
    encoders = FrozenEncoders.of(recipe)
    kept = None
    if checkpoint is not None:
        belongs = _what_decides(corpus, dev, recipe, encoders)
        kept = open_checkpoint(Path(checkpoint), belongs, resume=resume, seconds=checkpoint_seconds)
    examples = _examples(corpus, encoders, store, labels, workers)
    judges = _examples(dev, encoders, store, labels, workers) if dev is not None else None
    # pooled once for both fits, where pooling is fixed
    examples = pooled_where_fixed(new_head(recipe, encoders, labels), examples)
    fitted = train_head(corpus, examples, recipe, encoders, dev=judges, checkpoint=kept)
    history = fitted.history
    if recipe.training.keep == "last" and dev is None and recipe.training.dev_fraction > 0 and history:
        # a corpus too small to hold anything out is trained on all the same
        with suppress(InputError):
            history = _measured_history(corpus, examples, recipe, encoders, kept and kept.of("curve"))
    return Recognizer(fitted.head, encoders, recipe, history=history, data=_data(corpus, dev))


def _examples(
    corpus: Corpus, encoders: FrozenEncoders, store: FeatureStore, labels: tuple[str, ...], workers: int
) -> Examples:
    features, _ = features_of(corpus, encoders, store, workers=workers)
    return labelled_examples(corpus, features, encoders, labels)


def train_head(
    corpus: Corpus,
    examples: Examples,
    recipe: Recipe,
    encoders: FrozenEncoders,
    *,
    labels: tuple[str, ...] | None = None,
    dev: Examples | None = None,
    group: str = "speaker",
    checkpoint: Checkpoint | None = None,
    part: str = "",
) -> Fitted:
    """Fit a head to the examples of a corpus.

    Args:
        corpus: labelled clips.
        examples: their features, in the corpus's order.
        recipe: what to build and how.
        encoders: of the recipe.
        labels: what the head tells apart; by default those of the corpus.
        dev: as in `train`; cut off the examples only where the recipe keeps the best epoch.
        group: what must not be shared between the two sides then.
        checkpoint: as in `fit`.
        part: of the work; a tracker's run is named after it.
    """
    training, augmentation, run = recipe.training, recipe.augmentation, Run.of(recipe, part)
    check_ready(recipe, dev=dev is not None)
    head = new_head(recipe, encoders, labels or corpus.labels)
    if dev is None and training.chooses_epoch:
        rest, held = held_out(corpus, training.dev_fraction, group=group, seed=training.seed)
        return fit(
            head,
            examples.select(rest),
            examples.select(held),
            training,
            augmentation=augmentation,
            checkpoint=checkpoint,
            run=run,
        )
    return fit(head, examples, dev, training, augmentation=augmentation, checkpoint=checkpoint, run=run)


def check_ready(recipe: Recipe, *, dev: bool) -> None:
    """Raise InputError where a fit would fail for what is not here: dev clips, a tracker, a device's precision.

    Args:
        recipe: to be trained.
        dev: whether dev clips are given.
    """
    training = recipe.training
    if not dev and training.chooses_epoch and training.dev_fraction == 0:
        raise InputError(
            "training.keep best needs dev clips: give some, or a training.dev_fraction, or set keep to last"
        )
    if not dev and training.schedule == "plateau" and not training.chooses_epoch:
        raise InputError(
            "training.schedule plateau needs dev clips to score: give some, or set training.keep to best, which holds "
            "some out, or choose another schedule"
        )
    if training.precision == "bfloat16" and not computes_in_bfloat16(compute_device()):
        raise InputError(
            f"training.precision bfloat16: the device {compute_device()} does not compute in it; use float32"
        )
    check_tracker(recipe.tracking)


def _measured_history(
    corpus: Corpus, examples: Examples, recipe: Recipe, encoders: FrozenEncoders, checkpoint: Checkpoint | None
) -> list[dict[str, Any]]:
    """What each epoch gives on a part held out for the measurement; the model itself learns from everything."""
    rest, held = held_out(corpus, recipe.training.dev_fraction, seed=recipe.training.seed)
    head = new_head(recipe, encoders, corpus.labels)
    judged = examples.select(held)
    fitted = fit(
        head,
        examples.select(rest),
        judged,
        recipe.training,
        augmentation=recipe.augmentation,
        checkpoint=checkpoint,
        run=Run.of(recipe, "held-out"),
    )
    return fitted.history


def new_head(recipe: Recipe, encoders: FrozenEncoders, labels: tuple[str, ...]) -> EmotionHead:
    """An untrained head, its weights decided by the recipe's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed)
        return EmotionHead(EmotionHeadConfig.of(recipe.model, encoders.shapes, labels))


def _check_labels(corpus: Corpus, dev: Corpus | None) -> None:
    corpus.values("label")
    if len(corpus.labels) < 2:
        raise InputError(f"all clips are labelled {', '.join(corpus.labels)}; training needs at least two labels")
    if dev is not None:
        dev.values("label")
        dev.check_labels(corpus.labels, "the labels of training")


def _what_decides(corpus: Corpus, dev: Corpus | None, recipe: Recipe, encoders: FrozenEncoders) -> dict[str, Any]:
    """All that the result of a training depends on: settings, data, labels and encoders."""
    return {
        **recipe.model_dump(mode="json", exclude={"name", "description", "tracking", "evaluation"}),
        "labels": list(corpus.labels),
        "data": _content(corpus, encoders),
        "dev data": _content(dev, encoders) if dev is not None else None,
        "encoders": {name: branch.encoder.fingerprint for name, branch in encoders.branches.items()},
    }


def _content(corpus: Corpus, encoders: FrozenEncoders) -> str:
    """A hash of the clips in their order: ids, labels, speakers, and what the encoders hear or read."""
    digest = hashlib.sha256()
    for clip in corpus:
        # what cannot be read is for the extraction to tell
        with suppress(ClipError):
            keys = [piece.key for pieces in encoders.pieces(clip).values() for piece in pieces]
            digest.update(repr((clip.id, clip.label, clip.speaker, keys)).encode())
    return f"{len(corpus)} clips of fingerprint {digest.hexdigest()[:16]}"


def _data(corpus: Corpus, dev: Corpus | None) -> dict[str, Any]:
    """What a recogniser has learned from, for its card."""
    data: dict[str, Any] = {"fingerprint": corpus.fingerprint, "clips": len(corpus), "labels": list(corpus.labels)}
    return data if dev is None else {**data, "dev": {"fingerprint": dev.fingerprint, "clips": len(dev)}}
