"""Recipe: everything that defines an experiment, typed and checked before anything is loaded."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from emovoz.errors import InputError, did_you_mean

RECIPE = "recipe.yaml"
"""A saved model's own recipe, in its folder."""

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _absolute(model: str) -> str:
    """A local directory by its full path, so that a saved recipe works from anywhere."""
    return str(Path(model).resolve()) if model and Path(model).is_dir() else model


def _unlike(layers: list[int]) -> list[int]:
    if not layers or min(layers) < 0 or len(set(layers)) < len(layers):
        raise ValueError("give at least one layer, each once, counted from 0 (the embedding output); or all")
    return layers


Layers = Literal["all"] | Annotated[list[int], AfterValidator(_unlike)]
EncoderName = Annotated[str, AfterValidator(_absolute)]


class Speech(_Section):
    """How the audio is encoded.

    Attributes:
        model: short name, local directory or hub id of the encoder.
        layers: hidden states used; 0 is the embedding output.
    """

    model: EncoderName = "whisper-base"
    layers: Layers = "all"


class Text(_Section):
    """How the words are encoded.

    Attributes:
        model: short name, local directory or hub id of the encoder.
        layers: hidden states used; 0 is the embedding output.
        prefix: put before every text; by default what the known encoder was trained with.
    """

    model: EncoderName = "multilingual-e5-small"
    layers: Layers = "all"
    prefix: str | None = None


class Features(_Section):
    """How features are kept between encoders and head.

    Attributes:
        layers: hidden states kept beside those used, so that another choice of layers has nothing to encode: none
            (`used`), `all`, or a list, of which each encoder keeps those it has.
        stride: frames of speech averaged into one; k makes the features of the audio k times smaller.
        precision: `float16`, a layer beyond its range staying in float32, or `float32` for all.
        cache: keep features in the store; without it, clips are encoded whenever they are needed, in every epoch too
            where the head learns before pooling.
    """

    layers: Literal["used"] | Layers = "used"
    stride: Annotated[int, Field(ge=1, le=100)] = 1
    precision: Literal["float16", "float32"] = "float16"
    cache: bool = True


class Model(_Section):
    """The head between the encoders' states and the labels.

    Attributes:
        layer_mix: `weighted` (one trainable weight a layer, softmaxed) or `concatenate` (side by side).
        layer_norm: normalise every frame of a branch before anything else.
        width: project every branch to this width; by default only where fusion needs equal widths.
        pooling: from frames to one vector.
        fusion: concatenate the branches in `time` and pool once, or pool each and concatenate the `pooled` vectors.
        standardise: scale every pooled value by its mean and deviation over the training clips; needs pooling with
            nothing to learn before it (layers concatenated, no layer norm, no width, mean or mean_std).
        hidden_layers, hidden_width: of the classifier.
        dropout: in the hidden layers.
        input_dropout: on the pooled vector.
    """

    layer_mix: Literal["weighted", "concatenate"] = "weighted"
    layer_norm: bool = True
    width: Annotated[int, Field(ge=1)] | None = None
    pooling: Literal["attention", "mean", "mean_std"] = "attention"
    fusion: Literal["time", "pooled"] = "time"
    standardise: bool = False
    hidden_layers: Annotated[int, Field(ge=0)] = 1
    hidden_width: Annotated[int, Field(ge=1)] = 256
    dropout: Fraction = 0.1
    input_dropout: Fraction = 0.0

    def learns_before_pooling(self, branches: int) -> str | None:
        """The settings that give the head something to learn before pooling, None where there are none."""
        learning = {
            "model.layer_mix weighted": self.layer_mix == "weighted",
            "model.layer_norm true": self.layer_norm,
            "model.width": self.width is not None,
            "model.pooling attention": self.pooling == "attention",
            "model.fusion time": self.fusion == "time" and branches > 1,
        }
        return ", ".join(name for name, learns in learning.items() if learns) or None


class Training(_Section):
    """How the head is fitted.

    Attributes:
        method: `gradient` (AdamW) or `logistic_regression` (closed form, on the pooled vectors).
        seed: decides initial weights, order and dropout; the same seed gives the same result.
        epochs, batch_size, learning_rate, weight_decay: of AdamW.
        layer_learning_rate: of the layer weights, which do not decay.
        class_weights: weight every class by its inverse frequency, or not at all.
        keep: the `best` epoch by dev macro-F1, or the `last`, for which dev clips are only a measurement.
        patience: stop after this many epochs without a better dev macro-F1; 0 never stops.
        dev_fraction: share held out of the training data as dev clips when none are given. They choose the epoch
            where `keep` is best; where it is last, they are scored first and then trained on like the others.
        modality_dropout: chance that a clip with both modalities is shown without one of them.
        crop_seconds: show a random stretch of this length of the speech features, anew in every epoch; they were
            encoded in the context of the whole clip. Shorter clips and words stay whole, and so does everything in
            evaluation. Needs a head that learns before pooling; others see each clip as one vector, made once.
        mixup: mix every clip with another, features and labels, in shares from Beta(mixup, mixup) (Zhang et al.
            2018); 0 mixes nothing.
        regularisation: inverse strength `C` of logistic regression.
    """

    method: Literal["gradient", "logistic_regression"] = "gradient"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    epochs: Annotated[int, Field(ge=1)] = 30
    batch_size: Annotated[int, Field(ge=1)] = 32
    learning_rate: Positive = 1e-3
    layer_learning_rate: Positive = 1e-2
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    class_weights: Literal["inverse", "none"] = "inverse"
    keep: Literal["best", "last"] = "best"
    patience: Annotated[int, Field(ge=0)] = 0
    dev_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.15
    modality_dropout: Fraction = 0.0
    crop_seconds: Positive | None = None
    mixup: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    regularisation: Positive = 1.0

    @property
    def chooses_epoch(self) -> bool:
        """Whether dev clips decide which epoch is kept."""
        return self.method == "gradient" and self.keep == "best"


class Evaluation(_Section):
    """How scores are given.

    Attributes:
        bootstrap: resamples behind every 95 % interval.
        seed: of the resampling.
    """

    bootstrap: Annotated[int, Field(ge=100)] = 2000
    seed: Annotated[int, Field(ge=0)] = 0


class Recipe(_Section):
    """One experiment: `speech`, `text` or both, a head, and how it is trained and scored.

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
    features: Features = Features()
    model: Model = Model()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _is_possible(self) -> "Recipe":
        faults = list(_impossible(self))
        if faults:
            raise ValueError("\n".join(faults))
        return self

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
            sentences = (line for fault in error.errors() for line in _sentence(fault).splitlines())
            raise InputError(f"recipe {where}: {sentence}" for sentence in sentences) from None

    def to_yaml(self) -> str:
        """The whole recipe, every setting written out."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)

    def with_seed(self, seed: int) -> "Recipe":
        """The same recipe with another training seed."""
        return self.model_copy(update={"training": self.training.model_copy(update={"seed": seed})})


def _impossible(recipe: Recipe) -> Iterator[str]:
    """What a recipe asks for and cannot have."""
    model, training = recipe.model, recipe.training
    if recipe.speech is None and recipe.text is None:
        yield "a recipe needs a section speech, or text, or both"
    if not recipe.features.cache and recipe.features.layers != "used":
        yield "features.layers needs features.cache true: without a store nothing is kept"
    if recipe.features.stride > 1 and recipe.speech is None:
        yield "features.stride needs a section speech: words are not averaged"
    learns = model.learns_before_pooling(branches=(recipe.speech is not None) + (recipe.text is not None))
    if model.standardise and learns:
        yield f"model.standardise needs pooling with nothing to learn before it; change {learns}"
    if training.method == "logistic_regression" and learns:
        yield f"training.method logistic_regression can fit the last layer only; change {learns}"
    if training.method == "logistic_regression" and model.hidden_layers:
        yield "training.method logistic_regression can fit the last layer only; set model.hidden_layers 0"
    if training.patience and training.keep == "last":
        yield "training.patience needs training.keep best"
    if training.modality_dropout and (recipe.speech is None or recipe.text is None):
        yield "training.modality_dropout needs both speech and text"
    if training.mixup and training.method != "gradient":
        yield "training.mixup needs training.method gradient"
    if training.crop_seconds is not None and recipe.speech is None:
        yield "training.crop_seconds needs speech"
    elif training.crop_seconds is not None and not learns:
        yield (
            "training.crop_seconds needs a head that learns before pooling, such as one with model.pooling attention; "
            "this one sees each clip as one vector, made once from the whole clip"
        )


def shipped_recipes() -> dict[str, str]:
    """Name and one-line description of every recipe that comes with emovoz."""
    folder = files("emovoz") / "recipes"
    texts = {Path(file.name).stem: file.read_text() for file in folder.iterdir() if file.name.endswith(".yaml")}
    return {name: str(yaml.safe_load(text)["description"]) for name, text in sorted(texts.items())}


def _read(source: str | Path) -> tuple[str, str]:
    known = shipped_recipes()
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
    return str(source), (files("emovoz") / "recipes" / f"{source}.yaml").read_text()


def _override(settings: dict[str, Any], override: str) -> None:
    path, equals, value = override.partition("=")
    *sections, key = path.split(".")
    if not equals or not all([*sections, key]):
        raise InputError(f"--set {override!r}: expected section.key=value, such as training.epochs=5")
    for section in sections:
        if not isinstance(settings.get(section), dict):
            settings[section] = {}
        settings = settings[section]
    try:
        settings[key] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override!r}: the value is not valid YAML") from error


_SECTIONS = ("speech", "text", "features", "model", "training", "evaluation")


def _sentence(fault: Any) -> str:
    path = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        elsewhere = [f"{section}.{path[-1]}" for section in _SECTIONS if path[-1] in _keys([section])]
        hint = f"; did you mean {' or '.join(elsewhere)}?" if elsewhere else did_you_mean(path[-1], _keys(path[:-1]))
        return f"{'.'.join(path)}: no such setting{hint}"
    reason = fault["msg"].removeprefix("Value error, ")
    # pydantic names the branch of a union too, which says nothing to the reader of a YAML file
    place = ".".join(part for part in path if "[" not in part)
    return f"{place}: {reason} (given: {fault['input']!r})" if path else reason


def _keys(path: Sequence[str]) -> list[str]:
    section: Any = Recipe
    for name in path:
        annotation = section.model_fields[name].annotation
        section = next(
            kind for kind in (annotation, *getattr(annotation, "__args__", ())) if hasattr(kind, "model_fields")
        )
    return list(section.model_fields)
