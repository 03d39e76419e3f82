"""train: a labelled corpus and a recipe in, a recogniser out."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from emovoz import processes
from emovoz.corpus import Corpus
from emovoz.corpus.enrolment import clips_by_speaker
from emovoz.encoders.placement import compute_device, computes_in_bfloat16
from emovoz.errors import ClipError, InputError
from emovoz.features import FeatureStore, FrozenEncoders, View, default_store
from emovoz.inference import Recognizer
from emovoz.inference.training_data import TrainingData
from emovoz.recipe import Recipe
from emovoz.settings import Training
from emovoz.training.candidates import encoded_candidates, encoders_of, views_of_each
from emovoz.training.checkpoints import SECONDS, open_checkpoint
from emovoz.training.selection import train_head
from emovoz.training.shares import faults_of_sharing
from emovoz.training.tracking import check_tracker
from emovoz.training.trials import Work


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
    is not. Several processes that torchrun has started train one recogniser together, if each calls this
    (docs/several-processes.md).

    Args:
        corpus: labelled clips.
        recipe: what to build and how.
        dev: clips that choose settings and epochs, judge, and calibrate; by default parts of the corpus, held out in
            turn, with other speakers where known.
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

    >>> recognizer = train(corpus.split("train"), Recipe.load("text"))
    >>> recognizer.save_pretrained(f"{model}-of-words")
    """
    processes.join()
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
    views = views_of_each(recipe)
    # before anything is encoded, so that a head that cannot be is told at once
    encoders = encoders_of(recipe, labels)
    kept = None
    if checkpoint is not None:
        belongs = what_decides(corpus, dev, recipe, encoders, views)
        kept = open_checkpoint(Path(checkpoint), belongs, resume=resume, seconds=checkpoint_seconds)
    with processes.first_then_others():
        store.refresh()
        candidates, _ = encoded_candidates(recipe, encoders, views, corpus, store, dev=dev, workers=workers)
    training = recipe.training
    trained = train_head(
        Work(corpus, labels, checkpoint=kept),
        candidates,
        measure=training.method == "gradient" and training.dev_fraction > 0,
    )
    chosen = candidates[trained.chosen]
    return Recognizer(
        trained.head,
        chosen.encoders,
        chosen.recipe,
        history=trained.history,
        data=_data(corpus, dev),
        trained_on=TrainingData.of(corpus, dev, chosen.encoders, workers=workers),
        temperature=trained.temperature,
        thresholds=trained.thresholds,
        selected=trained.selected,
        held_out=trained.held_out,
    )


def check_ready(recipe: Recipe, *, dev: bool) -> None:
    """Raise InputError where a fit would fail for what is not here: dev clips, a tracker, a device's precision.

    Args:
        recipe: to be trained.
        dev: whether dev clips are given.
    """
    settings = [one.training for one in recipe.candidates()]
    faults = [] if dev else [fault for one in settings for fault in _without_dev(recipe, one)]
    faults += [fault for one in recipe.candidates() for fault in faults_of_sharing(one)]
    if any(one.precision == "bfloat16" for one in settings) and not computes_in_bfloat16(compute_device()):
        faults.append(f"training.precision bfloat16: the device {compute_device()} does not compute in it; use float32")
    if faults:
        raise InputError(dict.fromkeys(faults))
    check_tracker(recipe.tracking)


def _without_dev(recipe: Recipe, training: Training) -> Iterator[str]:
    """What cannot be where no dev clips are given."""
    if training.dev_fraction == 0:
        by_a_part = recipe.inner_folds == 1
        asked = {
            "training.keep best": (training.chooses_epoch, "set keep to last"),
            "training.thresholds": (by_a_part and training.thresholds, "set thresholds to false"),
            "training.temperature": (by_a_part and _tempers(recipe, training), "set temperature to false"),
            "selection": (by_a_part and recipe.selection.grid, "set selection.folds to 2 or more"),
        }
        for name, (needed, way) in asked.items():
            if needed:
                yield f"{name} needs dev clips: give some, or a training.dev_fraction, or {way}"
    if training.schedule == "plateau" and not training.chooses_epoch:
        yield (
            "training.schedule plateau needs dev clips to score: give some, or set training.keep to best, which holds "
            "some out, or choose another schedule"
        )


def _tempers(recipe: Recipe, training: Training) -> bool:
    by_folds = recipe.selection.folds == 1 and not recipe.selection.grid
    return training.temperature is True or (training.temperature is None and by_folds)


def check_labels(corpus: Corpus) -> None:
    """Raise InputError unless every clip has a label, and two of them differ."""
    corpus.values("label")
    if len(corpus.labels) < 2:
        raise InputError(f"all clips are labelled {', '.join(corpus.labels)}; training needs at least two labels")


def what_decides(
    corpus: Corpus,
    dev: Corpus | None,
    recipe: Recipe,
    encoders: Sequence[FrozenEncoders],
    views: Sequence[Sequence[View]],
) -> dict[str, Any]:
    """All that the result of a training depends on: settings, data, labels, encoders, and the files behind views.

    Encoders and views are those of each candidate.
    """
    prints: dict[str, list[str]] = {}
    for branches in (one.branches for one in encoders):
        for name, branch in branches.items():
            prints.setdefault(name, []).append(branch.encoder.fingerprint)
    return {
        **recipe.model_dump(mode="json", exclude={"name", "description", "tracking", "evaluation"}),
        "labels": list(corpus.labels),
        "data": _content(corpus, encoders[0]),
        "dev data": _content(dev, encoders[0]) if dev is not None else None,
        "encoders": {name: ", ".join(dict.fromkeys(of_name)) for name, of_name in prints.items()},
        "views": list(dict.fromkeys(view.name for shown in views for view in shown)),
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
