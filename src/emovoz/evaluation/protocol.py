"""How a corpus is cut for cross-validation, what that costs, and what the results say of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emovoz.corpus import Corpus, Fold, crossed_folds, stratified_folds
from emovoz.errors import InputError
from emovoz.progress import say
from emovoz.recipe import Recipe

USUAL_FOLDS = 5

Folds = int | str | Sequence[int | str] | None
"""How many: a number, `all` (as many as there are groups), or one of these for each column; `7,all` is such a list."""


@dataclass(frozen=True)
class Cut:
    """The folds of a cross-validation, and the columns they are cut by, each with the number of its parts."""

    folds: list[Fold]
    columns: dict[str, int]

    @property
    def group(self) -> str:
        """The column whose groups are kept apart within the training clips too."""
        return next(iter(self.columns), "speaker")

    def told(self, recipe: Recipe, seeds: int) -> dict[str, Any]:
        """What results.json says of it."""
        training = [len(fold.train) for fold in self.folds]
        return {
            "name": self._name(),
            "group": ",".join(self.columns) or None,
            "folds": len(self.folds),
            **({"folds_by_column": self.columns} if len(self.columns) > 1 else {}),
            "seeds": seeds,
            "fits": len(self.folds) * seeds,
            "training_clips": [min(training), max(training)],
            "selection": _selection(recipe),
        }

    def _name(self) -> str:
        if not self.columns:
            return "stratified k-fold"
        alone = all(len(groups) == 1 for fold in self.folds for groups in fold.groups.values())
        return f"{'crossed ' if len(self.columns) > 1 else ''}leave-{'one-group' if alone else 'groups'}-out"


def cut_of(corpus: Corpus, folds: Folds = None, group: str | Sequence[str] | None = None) -> Cut:
    """Cut a corpus into folds; arguments as in `crossval`.

    Raises:
        InputError: folds that cannot be made, or one that leaves too little to train on.
    """
    columns = _columns(group) or _by_speaker(corpus)
    wanted = _wanted(folds)
    cut = _by_groups(corpus, columns, wanted) if columns else Cut(_stratified(corpus, wanted), {})
    faults = [fault for i, fold in enumerate(cut.folds) if (fault := _untrainable(corpus, i, fold))]
    if faults:
        raise InputError(faults)
    return cut


def tell_cost(cut: Cut, seeds: int, recipes: int) -> None:
    """Say how many fits there will be, and of how many clips."""
    parts = " x ".join(f"{count} of {column}" for column, count in cut.columns.items())
    crossed = (
        f" ({parts}: what is tested shares no group of any with what is trained on)" if len(cut.columns) > 1 else ""
    )
    training = [len(fold.train) for fold in cut.folds]
    clips = f"{min(training)}" if min(training) == max(training) else f"{min(training)} to {max(training)}"
    seeded = f" x {seeds} {'seed' if seeds == 1 else 'seeds'}"
    several = f" x {recipes} recipes" if recipes > 1 else ""
    fits = len(cut.folds) * seeds * recipes
    say(f"{len(cut.folds)} folds{crossed}{seeded}{several}: {fits} fits, each on {clips} clips")


def _columns(group: str | Sequence[str] | None) -> list[str]:
    columns = [one.strip() for one in group.split(",")] if isinstance(group, str) else list(group or ())
    if len(set(columns)) < len(columns):
        raise InputError(f"columns of groups are named once each; given: {', '.join(columns)}")
    return columns


def _by_speaker(corpus: Corpus) -> list[str]:
    nameless = sum(clip.speaker is None for clip in corpus)
    if not nameless and len({clip.speaker for clip in corpus}) > 1:
        say("folds by speaker: no voice is in training and test at once")
        return ["speaker"]
    why = f" ({nameless} of {len(corpus)} clips name no speaker)" if nameless else ""
    say(f"folds stratified by label{why}; name a column with --group to keep its values apart")
    return []


def _wanted(folds: Folds) -> list[int | str | None]:
    given = folds.split(",") if isinstance(folds, str) else list(folds) if isinstance(folds, Sequence) else [folds]
    wanted = [one.strip() if isinstance(one, str) else one for one in given]
    strange = [one for one in wanted if isinstance(one, str) and one != "all" and not one.isdecimal()]
    if strange:
        raise InputError(f"folds {one!r}: give a number, or all for as many as there are groups" for one in strange)
    return [int(one) if isinstance(one, str) and one != "all" else one for one in wanted]


def _by_groups(corpus: Corpus, columns: Sequence[str], wanted: Sequence[int | str | None]) -> Cut:
    # one number is that of the first column
    by_column = [*wanted, *[None] * (len(columns) - 1)] if len(wanted) == 1 else list(wanted)
    if len(by_column) != len(columns):
        raise InputError(
            f"folds {', '.join(map(str, wanted))} for the columns {', '.join(columns)}: give one for each, "
            f"or one alone, which is for {columns[0]}"
        )
    groups = [len(set(corpus.values(column))) for column in columns]
    counts = [
        there if one == "all" else min(USUAL_FOLDS, there) if one is None else int(one)
        for one, there in zip(by_column, groups, strict=True)
    ]
    parts = dict(zip(columns, counts, strict=True))
    return Cut(crossed_folds(corpus, parts), parts)


def _stratified(corpus: Corpus, wanted: Sequence[int | str | None]) -> list[Fold]:
    if len(wanted) > 1 or wanted[0] == "all":
        raise InputError("folds by group need a column of groups: name it with --group")
    most = max(Counter(clip.label for clip in corpus).values())
    tests = stratified_folds(corpus, max(2, min(USUAL_FOLDS, most)) if wanted[0] is None else int(wanted[0]))
    return [Fold(test, sorted(set(range(len(corpus))) - set(test)), {}) for test in tests]


def _untrainable(corpus: Corpus, number: int, fold: Fold) -> str | None:
    labels = {corpus.clips[i].label for i in fold.train}
    if len(labels) > 1:
        return None
    left = f"only {labels.pop()}" if labels else "nothing"
    return f"fold {number} ({groups_told(fold.groups) or 'by label'}) leaves {left} to train on; choose fewer folds"


def groups_told(groups: Mapping[str, Sequence[str]]) -> str:
    """Groups by column as a phrase.

    >>> groups_told({"speaker": ["ana", "leo"], "sentence": ["s1"]})
    'speaker ana, leo; sentence s1'
    """
    return "; ".join(f"{column} {', '.join(of)}" for column, of in groups.items())


def _selection(recipe: Recipe) -> str | None:
    training = recipe.training
    chosen = {
        "settings": bool(recipe.selection.grid),
        "epoch": training.chooses_epoch,
        "temperature": training.temperature is True or (training.temperature is None and recipe.closed_form),
        "thresholds": training.thresholds,
    }
    names = ", ".join(name for name, asked in chosen.items() if asked)
    return f"nested: {names} by clips held out of the training clips" if names else None
