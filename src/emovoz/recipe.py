"""Recipe: everything that defines an experiment, typed and checked before anything is loaded."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError, model_validator

from emovoz.errors import InputError, did_you_mean
from emovoz.impossible import impossible
from emovoz.settings import (
    Augmentation,
    Evaluation,
    Features,
    Model,
    Ngrams,
    Section,
    Selection,
    Speech,
    Text,
    Tracking,
    Training,
)

CLOSED_FORM_FOLDS = 5
"""Parts that the training clips are cut into by default where fitting is cheap."""
RECIPE = "recipe.yaml"
"""A saved model's own recipe, in its folder."""


class Recipe(Section):
    """One experiment: `speech`, `text`, `ngrams` or several of them, a head, and how it is trained and scored.

    >>> Recipe.load("speech", overrides=["training.epochs=3"]).training.epochs
    3
    >>> Recipe.load("speech", overrides=["training.epoch=3"])
    Traceback (most recent call last):
    ...
    emovoz.errors.InputError: recipe speech: training.epoch: no such setting; did you mean 'epochs'?
    """

    name: str = "unnamed"
    description: str = ""
    speech: Speech | None = None
    text: Text | None = None
    ngrams: Ngrams | None = None
    features: Features = Features()
    augmentation: Augmentation = Augmentation()
    model: Model = Model()
    training: Training = Training()
    selection: Selection = Selection()
    tracking: Tracking = Tracking()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _is_possible(self) -> "Recipe":
        faults = list(impossible(self)) or list(self._faults_of_candidates())
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def reads(self) -> bool:
        """Whether it goes by the words of a clip."""
        return self.text is not None or self.ngrams is not None

    @classmethod
    def load(cls, source: str | Path, overrides: Sequence[str] = ()) -> "Recipe":
        """Read a recipe.

        Args:
            source: the name of a shipped recipe, a YAML file, or the folder of a saved model.
            overrides: `section.key=value` each, the value in YAML.

        Raises:
            InputError: no such recipe, or every unknown or impossible setting at once.
        """
        name, text = _read(source)
        try:
            settings = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"recipe {source}: not valid YAML: {' '.join(str(error).split())}") from error
        if not isinstance(settings, dict):
            raise InputError(f"recipe {source}: no settings in it")
        for override in overrides:
            _override(settings, override)
        return cls.checked({"name": name, **settings}, place=str(source))

    @classmethod
    def checked(cls, settings: Mapping[str, Any], place: str | None = None) -> "Recipe":
        """A recipe from nested settings; every fault is told at once.

        Args:
            settings: as in a recipe's YAML.
            place: where they were read, for error messages; by default the recipe's name.

        Raises:
            InputError: an unknown key, answered with the nearest known one, or a value that cannot be.
        """
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            where = place or settings.get("name", "unnamed")
            raise InputError(f"recipe {where}: {sentence}" for sentence in _sentences(error)) from None

    def to_yaml(self) -> str:
        """The whole recipe, every setting written out."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)

    def candidates(self) -> list["Recipe"]:
        """The recipe with each combination of `selection.grid`; itself where there is none.

        >>> recipe = Recipe.load("baseline-logreg", ["selection.grid={training.regularisation: [0.1, 1]}"])
        >>> [one.chosen for one in recipe.candidates()]
        [{'training.regularisation': 0.1}, {'training.regularisation': 1.0}]
        """
        return [self._with(choice) for choice in self.selection.combinations()] or [self]

    @property
    def chosen(self) -> dict[str, Any]:
        """The values here of the settings in `selection.grid`."""
        settings = self.model_dump()
        return {name: _setting(settings, name) for name in self.selection.grid}

    @property
    def closed_form(self) -> bool:
        """Whether every candidate is fitted by a closed form, which is cheap."""
        return "gradient" not in self.selection.grid.get("training.method", [self.training.method])

    @property
    def inner_folds(self) -> int:
        """Into how many parts the training clips are cut; 1 where a single part is held out."""
        return self.selection.folds or (CLOSED_FORM_FOLDS if self.closed_form else 1)

    def _with(self, choice: Mapping[str, Any]) -> "Recipe":
        """With these values, by the names of their settings; the grid stays, so that it can be gone through again."""
        settings = self.model_dump(exclude={"selection"})
        for name, value in choice.items():
            _set(settings, name.split("."), value)
        return Recipe.model_validate(settings).model_copy(update={"selection": self.selection})

    def _faults_of_candidates(self) -> Iterator[str]:
        told = set()
        for choice in self.selection.combinations():
            try:
                self._with(choice)
            except ValidationError as error:
                new = [sentence for sentence in _sentences(error) if sentence not in told]
                told.update(new)
                values = ", ".join(f"{name}={value}" for name, value in choice.items())
                yield from (f"selection.grid, {values}: {sentence}" for sentence in new)

    def with_seed(self, seed: int) -> "Recipe":
        """The same recipe with another training seed."""
        return self.model_copy(update={"training": self.training.model_copy(update={"seed": seed})})


def shipped_recipes() -> dict[str, str]:
    """Name and one-line description of every recipe that comes with emovoz."""
    return {name: str(yaml.safe_load(_shipped(name))["description"]) for name in _names_shipped()}


def recipe_as_written(source: str | Path) -> str:
    """The text of a recipe, comments and all; arguments and errors as in `Recipe.load`."""
    return _read(source)[1]


def _names_shipped() -> list[str]:
    folder = files("emovoz") / "recipes"
    return sorted(Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".yaml"))


def _shipped(name: str) -> str:
    return (files("emovoz") / "recipes" / f"{name}.yaml").read_text()


def _read(source: str | Path) -> tuple[str, str]:
    known = _names_shipped()
    path = Path(source)
    if str(source) not in known and (path / RECIPE).is_file():
        path = path / RECIPE
    if path.suffix in (".yaml", ".yml"):
        try:
            return path.stem, path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"recipe {path}: cannot be read ({error})") from error
    if str(source) not in known:
        others = f"a .yaml file, a model's folder or one of {', '.join(known)}"
        raise InputError(f"no recipe {str(source)!r}: {others}{did_you_mean(str(source), known)}")
    return str(source), _shipped(str(source))


def _override(settings: dict[str, Any], override: str) -> None:
    path, equals, value = override.partition("=")
    *sections, key = path.split(".")
    if not equals or not all([*sections, key]):
        raise InputError(f"--set {override!r}: expected section.key=value, such as training.epochs=5")
    try:
        _set(settings, [*sections, key], yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise InputError(f"--set {override!r}: the value is not valid YAML") from error


def _set(settings: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *sections, key = path
    for section in sections:
        if not isinstance(settings.get(section), dict):
            settings[section] = {}
        settings = settings[section]
    settings[key] = value


def _setting(settings: Any, name: str) -> Any:
    for key in name.split("."):
        settings = settings[key]
    return settings


_SECTIONS = (
    "speech", "text", "ngrams", "features", "augmentation", "model", "training", "selection", "tracking", "evaluation",
)  # fmt: skip


def _sentences(error: ValidationError) -> list[str]:
    return [line for fault in error.errors() for line in _sentence(fault).splitlines()]


def _sentence(fault: Any) -> str:
    path = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        elsewhere = [f"{section}.{path[-1]}" for section in _SECTIONS if path[-1] in _keys([section])]
        hint = f"; did you mean {' or '.join(elsewhere)}?" if elsewhere else did_you_mean(path[-1], _keys(path[:-1]))
        return f"{'.'.join(path)}: no such setting{hint}"
    if fault["type"] == "missing":
        section = path[0]
        return f"{'.'.join(path)}: not given; a section {section} begins with its encoder, --set {section}.model=NAME"
    if fault["type"] == "model_type":
        keys = ", ".join(_keys(path))
        given = f"not a value (given: {fault['input']!r})"
        return f"{'.'.join(path)}: is a section with settings ({keys}), {given}; {_how(path)}"
    reason = fault["msg"].removeprefix("Value error, ")
    # pydantic names the branch of a union too, which says nothing to the reader of a YAML file
    place = ".".join(part for part in path if "[" not in part)
    return f"{place}: {reason} (given: {fault['input']!r})" if path else reason


def _how(path: Sequence[str]) -> str:
    if path[-1] in ("speech", "text"):
        return f"name its encoder with --set {path[-1]}.model=NAME"
    return f"--set {'.'.join(path)}={{}} takes the default of each"


def _keys(path: Sequence[str]) -> list[str]:
    section: Any = Recipe
    for name in path:
        annotation = section.model_fields[name].annotation
        section = next(
            kind for kind in (annotation, *getattr(annotation, "__args__", ())) if hasattr(kind, "model_fields")
        )
    return list(section.model_fields)
