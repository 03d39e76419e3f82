"""train: a labelled corpus and a recipe in, a recogniser out."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from emovoz.corpus import Corpus, held_out
from emovoz.corpus.enrolment import clips_by_speaker
from emovoz.encoders.placement import compute_device, computes_in_bfloat16
from emovoz.errors import ClipError, InputError
from emovoz.features import (
    Extraction,
    FeatureStore,
    FrozenEncoders,
    View,
    default_store,
    features_of,
    features_of_views,
    views_of,
)
from emovoz.inference import Recognizer
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.model.tuned import TunedHead, untrained_layers
from emovoz.recipe import Recipe
from emovoz.settings import Augmentation, Training
from emovoz.training.checkpoints import SECONDS, Checkpoint, open_checkpoint
from emovoz.training.examples import Examples, labelled_examples
from emovoz.training.fitting import Fitted, fit
from emovoz.training.pooled import pooled_where_fixed
from emovoz.training.tracking import Run, check_tracker
from emovoz.training.word_places import word_places


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
    check_labels(corpus)
    if dev is not None:
        dev.values("label")
        dev.check_labels(labels, "the labels of training")
    check_ready(recipe, dev=dev is not None)
    if recipe.training.adapt != "none":
        for clips in filter(None, (corpus, dev)):
            clips_by_speaker(clips)
    store = store or FeatureStore(default_store())
    views = views_of(recipe.augmentation)
    encoders = FrozenEncoders.of(recipe)
    # before anything is encoded, so that a head that cannot be is told at once
    untrained = new_head(recipe, encoders, labels)
    kept = None
    if checkpoint is not None:
        belongs = what_decides(corpus, dev, recipe, encoders, views)
        kept = open_checkpoint(Path(checkpoint), belongs, resume=resume, seconds=checkpoint_seconds)
    examples, _ = encoded_examples(corpus, recipe, encoders, store, views=views, workers=workers)
    judges = None
    if dev is not None:
        judges = labelled_examples(dev, features_of(dev, encoders, store, workers=workers)[0], encoders, labels)
    # pooled once for both fits, where pooling is fixed
    examples = pooled_where_fixed(untrained, examples)
    fitted = train_head(corpus, examples, recipe, encoders, dev=judges, checkpoint=kept)
    history, training = fitted.history, recipe.training
    # with thresholds it was measured already
    unmeasured = training.keep == "last" and dev is None and training.dev_fraction > 0 and not training.thresholds
    if unmeasured and history:
        # a corpus too small to hold anything out is trained on all the same
        with suppress(InputError):
            curve, run = kept and kept.of("curve"), Run.of(recipe, "held-out")
            history = _measured(corpus, examples, recipe, encoders, labels, curve, run).history
    return Recognizer(
        fitted.head, encoders, recipe, history=history, data=_data(corpus, dev), thresholds=fitted.thresholds
    )


def encoded_examples(
    corpus: Corpus,
    recipe: Recipe,
    encoders: FrozenEncoders,
    store: FeatureStore,
    *,
    views: Sequence[View],
    workers: int,
) -> tuple[Examples, Extraction]:
    """The clips of a corpus with all that training may show of them, and what had to be done for it.

    Args:
        corpus: labelled clips.
        recipe: that is trained.
        encoders, views: of the recipe.
        store: where features are kept.
        workers: threads that decode audio.

    Raises:
        InputError: every clip that cannot be used, or word times that are asked for and not there.
    """
    places = word_places(corpus, encoders) if recipe.augmentation.crop_words else None
    features, extraction = features_of(corpus, encoders, store, views=views, workers=workers)
    altered = features_of_views(corpus, encoders, store, views)
    examples = labelled_examples(corpus, features, encoders, corpus.labels, altered)
    return replace(examples, word_places=places), extraction


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
        dev: as in `train`; cut off the examples only where the recipe keeps the best epoch. Where it keeps the last
            and wants thresholds, a second fit without a held-out part gives them, and the history.
        group: what must not be shared between the two sides then.
        checkpoint: as in `fit`.
        part: of the work; a tracker's run is named after it.
    """
    training, augmentation, run = recipe.training, recipe.augmentation, Run.of(recipe, part)
    labels = labels or corpus.labels
    check_ready(recipe, dev=dev is not None)
    if dev is None and training.chooses_epoch:
        return _measured(corpus, examples, recipe, encoders, labels, checkpoint, run, group=group)
    head = new_head(recipe, encoders, labels)
    fitted = fit(head, examples, dev, training, augmentation=augmentation, checkpoint=checkpoint, run=run)
    if dev is not None or not training.thresholds:
        return fitted
    curve, run = checkpoint and checkpoint.of("curve"), Run.of(recipe, f"{part}-held-out".lstrip("-"))
    measured = _measured(corpus, examples, recipe, encoders, labels, curve, run, group=group)
    return replace(fitted, history=measured.history, thresholds=measured.thresholds)


def check_ready(recipe: Recipe, *, dev: bool) -> None:
    """Raise InputError where a fit would fail for what is not here: dev clips, a tracker, a device's precision.

    Args:
        recipe: to be trained.
        dev: whether dev clips are given.
    """
    training = recipe.training
    faults = [] if dev else list(_without_dev(training))
    if training.precision == "bfloat16" and not computes_in_bfloat16(compute_device()):
        faults.append(f"training.precision bfloat16: the device {compute_device()} does not compute in it; use float32")
    if faults:
        raise InputError(faults)
    check_tracker(recipe.tracking)


def _without_dev(training: Training) -> Iterator[str]:
    """What cannot be where no dev clips are given."""
    ways = {"keep best": "set keep to last", "thresholds": "set thresholds to false"}
    asked = {"keep best": training.chooses_epoch, "thresholds": training.thresholds}
    for name, way in ways.items():
        if asked[name] and training.dev_fraction == 0:
            yield f"training.{name} needs dev clips: give some, or a training.dev_fraction, or {way}"
    if training.schedule == "plateau" and not training.chooses_epoch:
        yield (
            "training.schedule plateau needs dev clips to score: give some, or set training.keep to best, which holds "
            "some out, or choose another schedule"
        )


def _measured(
    corpus: Corpus,
    examples: Examples,
    recipe: Recipe,
    encoders: FrozenEncoders,
    labels: tuple[str, ...],
    checkpoint: Checkpoint | None,
    run: Run,
    *,
    group: str = "speaker",
) -> Fitted:
    """A fit that is judged on a part held out of it."""
    rest, held = held_out(corpus, recipe.training.dev_fraction, group=group, seed=recipe.training.seed)
    head = new_head(recipe, encoders, labels)
    judged = examples.select(held)
    return fit(
        head,
        examples.select(rest),
        judged,
        recipe.training,
        augmentation=recipe.augmentation,
        checkpoint=checkpoint,
        run=run,
    )


def new_head(recipe: Recipe, encoders: FrozenEncoders, labels: tuple[str, ...]) -> EmotionHead:
    """An untrained head, its weights decided by the recipe's seed; a tuned one where the recipe tunes an encoder.

    Raises:
        InputError: heads that do not divide a width, or stretches to be shown to a head that sees pooled vectors.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed)
        tuned = untrained_layers(encoders)
        head = EmotionHead(EmotionHeadConfig.of(recipe.model, encoders.shapes, labels, adapts=not tuned))
        head = TunedHead.around(head, tuned) if tuned else head
    faults = list(_unshown(head, recipe.augmentation))
    if faults:
        raise InputError(faults)
    return head


def _unshown(head: EmotionHead, augmentation: Augmentation) -> Iterator[str]:
    """What would be shown to a head before pooling, but is not: it needs no projection to the width it asks for."""
    crops = augmentation.crop_seconds is not None and augmentation.crop == "features"
    shown = {"crop_seconds": crops, "spec_augment": augmentation.spec_augment is not None}
    if head.pooling_is_fixed and "speech" in head.config.shapes:
        yield from (
            f"augmentation.{name} needs a head that learns before pooling: model.width {head.config.width} is the "
            "width that there is, so nothing has to be projected; choose another, or model.layer_norm true"
            for name, asked in shown.items()
            if asked
        )


def check_labels(corpus: Corpus) -> None:
    """Raise InputError unless every clip has a label, and two of them differ."""
    corpus.values("label")
    if len(corpus.labels) < 2:
        raise InputError(f"all clips are labelled {', '.join(corpus.labels)}; training needs at least two labels")


def what_decides(
    corpus: Corpus, dev: Corpus | None, recipe: Recipe, encoders: FrozenEncoders, views: Sequence[View]
) -> dict[str, Any]:
    """All that the result of a training depends on: settings, data, labels, encoders, and the files behind views."""
    return {
        **recipe.model_dump(mode="json", exclude={"name", "description", "tracking", "evaluation"}),
        "labels": list(corpus.labels),
        "data": _content(corpus, encoders),
        "dev data": _content(dev, encoders) if dev is not None else None,
        "encoders": {name: branch.encoder.fingerprint for name, branch in encoders.branches.items()},
        "views": [view.name for view in views],
    }


def _content(corpus: Corpus, encoders: FrozenEncoders) -> str:
    """A hash of the clips in their order: ids, labels, speakers, word times, and what the encoders hear or read."""
    digest = hashlib.sha256()
    for clip in corpus:
        # what cannot be read is for the extraction to tell
        with suppress(ClipError):
            keys = [piece.key for pieces in encoders.pieces(clip).values() for piece in pieces]
            digest.update(repr((clip.id, clip.label, clip.speaker, clip.word_times, keys)).encode())
    return f"{len(corpus)} clips of fingerprint {digest.hexdigest()[:16]}"


def _data(corpus: Corpus, dev: Corpus | None) -> dict[str, Any]:
    """What a recogniser has learned from, for its card."""
    data: dict[str, Any] = {"fingerprint": corpus.fingerprint, "clips": len(corpus), "labels": list(corpus.labels)}
    return data if dev is None else {**data, "dev": {"fingerprint": dev.fingerprint, "clips": len(dev)}}
