"""Candidates: the combinations of settings that a recipe lets be chosen from, with the clips as each sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from emovoz.corpus import Corpus
from emovoz.features import FeatureStore, FrozenEncoders, View, features_of, features_of_views, views_of
from emovoz.recipe import Recipe
from emovoz.training.examples import Examples, labelled_examples
from emovoz.training.heads import new_head
from emovoz.training.pooled import pooled_where_fixed
from emovoz.training.word_places import word_places


@dataclass(frozen=True)
class Candidate:
    """One combination of settings.

    Attributes:
        recipe: with these settings.
        encoders: of the recipe.
        examples: the clips to learn from, as it sees them.
        dev: the dev clips, where some are given.
    """

    recipe: Recipe
    encoders: FrozenEncoders
    examples: Examples
    dev: Examples | None = None

    def select(self, positions: Sequence[int]) -> "Candidate":
        """The same with the clips to learn from at these positions."""
        return replace(self, examples=self.examples.select(positions))

    def with_seed(self, seed: int) -> "Candidate":
        """The same with another training seed."""
        return replace(self, recipe=self.recipe.with_seed(seed))


def encoders_of(recipe: Recipe, labels: tuple[str, ...]) -> list[FrozenEncoders]:
    """The encoders of each candidate of a recipe, loaded once.

    Raises:
        InputError: one cannot be loaded, or a candidate's head cannot be.
    """
    encoders = FrozenEncoders.of_each(recipe.candidates())
    check_heads(recipe, encoders, labels)
    return encoders


def check_heads(recipe: Recipe, encoders: Sequence[FrozenEncoders], labels: tuple[str, ...]) -> None:
    """Raise InputError where the head of a candidate cannot be; arguments as `encoders_of` takes and gives them."""
    for one, of_one in zip(recipe.candidates(), encoders, strict=True):
        new_head(one, of_one, labels)


def views_of_each(recipe: Recipe) -> list[Sequence[View]]:
    """The views that each candidate of a recipe shows (see `views_of`)."""
    augmentations = [one.augmentation for one in recipe.candidates()]
    known = {one.model_dump_json(): one for one in augmentations}
    views = {key: views_of(one) for key, one in known.items()}
    return [views[one.model_dump_json()] for one in augmentations]


def encoded_candidates(
    recipe: Recipe,
    encoders: Sequence[FrozenEncoders],
    views: Sequence[Sequence[View]],
    corpus: Corpus,
    store: FeatureStore,
    *,
    dev: Corpus | None = None,
    workers: int,
) -> tuple[list[Candidate], float]:
    """The candidates of a recipe, and the seconds that encoding took.

    What the store is to hold is encoded once for all of them, and where nothing before pooling can learn, each clip is
    pooled once for all that differ in training alone.

    Args:
        recipe: that is trained.
        encoders: what `encoders_of` gives.
        views: what `views_of_each` gives.
        corpus: labelled clips.
        store: where features are kept.
        dev: clips that choose or judge.
        workers: threads that decode audio.

    Raises:
        InputError: every clip that cannot be used, or word times that are asked for and not there.
    """
    known: dict[str, Candidate] = {}
    candidates, seconds = [], 0.0
    for one, of_one, shown in zip(recipe.candidates(), encoders, views, strict=True):
        seen = one.model_dump_json(include={"speech", "text", "ngrams", "features", "augmentation", "model"})
        if seen not in known:
            # told before anything is encoded
            places = word_places(corpus, of_one) if one.augmentation.crop_words else None
            examples, took = _encoded(one, of_one, shown, corpus, store, corpus.labels, workers)
            judges, took_dev = _encoded(one, of_one, (), dev, store, corpus.labels, workers) if dev else (None, 0.0)
            known[seen] = Candidate(one, of_one, replace(examples, word_places=places), judges)
            seconds += took + took_dev
        candidates.append(replace(known[seen], recipe=one))
    return candidates, seconds


def _encoded(
    recipe: Recipe,
    encoders: FrozenEncoders,
    views: Sequence[View],
    corpus: Corpus,
    store: FeatureStore,
    labels: tuple[str, ...],
    workers: int,
) -> tuple[Examples, float]:
    """The clips and their views, pooled where pooling is fixed, and the seconds that encoding took."""
    features, extraction = features_of(corpus, encoders, store, views=views, workers=workers)
    altered = features_of_views(corpus, encoders, store, views)
    examples = labelled_examples(corpus, features, encoders, labels, altered)
    return pooled_where_fixed(new_head(recipe, encoders, labels), examples), extraction.seconds
