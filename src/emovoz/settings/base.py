"""What the sections of a recipe share: the kinds of values, and the layers of an encoder."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

Fraction = Annotated[float, Field(ge=0, lt=1)]
Chance = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Settings that belong together; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _absolute(place: str) -> str:
    """A local directory by its full path, so that a saved recipe works from anywhere."""
    return str(Path(place).resolve()) if place and Path(place).is_dir() else place


def _layers(given: object) -> str | list[int]:
    if isinstance(given, str) and (given in ("all", "last") or re.fullmatch(r"every ([2-9]|[1-9]\d+)", given)):
        return given
    return _numbers(given, "a list of layers, each once, counted from 0 (the embedding output); all, last, or every N")


def _kept_layers(given: object) -> str | list[int]:
    wanted = "used, all, or a list of layers, each once, counted from 0 (the embedding output)"
    return str(given) if given in ("used", "all") else _numbers(given, wanted)


def _numbers(given: object, wanted: str) -> list[int]:
    numbers = given if isinstance(given, list) else []
    sound = all(type(number) is int and number >= 0 for number in numbers)
    if not numbers or not sound or len(set(numbers)) < len(numbers):
        raise ValueError(f"give {wanted}")
    return numbers


def _absolute_if_there(place: str) -> str:
    """The full path of a folder or file, so that a saved recipe works from anywhere."""
    return str(Path(place).resolve()) if place and Path(place).exists() else place


def _rising(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] > interval[1]:
        raise ValueError("give the lower end first")
    return interval


Layers = Annotated[str | list[int], PlainValidator(_layers)]
"""Numbers of hidden states; or `all`, the `last`, or `every N`, counted from the last."""
KeptLayers = Annotated[str | list[int], PlainValidator(_kept_layers)]
"""Numbers of hidden states; or `all`, or `used`."""
EncoderName = Annotated[str, AfterValidator(_absolute)]
Source = Annotated[str, AfterValidator(_absolute_if_there)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Interval = Annotated[tuple[Finite, Finite], AfterValidator(_rising)]
Factor = Annotated[float, Field(ge=0.5, le=2)]
Sizes = Annotated[tuple[Count, Count], AfterValidator(_rising)]
"""Smallest and largest."""
FactorRange = Annotated[tuple[Factor, Factor], AfterValidator(_rising)]


def layer_numbers(layers: str | list[int], count: int) -> list[int]:
    """The hidden states that a setting means for an encoder that has so many.

    >>> layer_numbers("every 3", 9), layer_numbers("last", 9), layer_numbers([2, 3], 9)
    ([2, 5, 8], [8], [2, 3])
    """
    if isinstance(layers, list):
        return list(layers)
    if layers == "last":
        return [count - 1]
    step = int(layers.removeprefix("every ")) if layers != "all" else 1
    return list(range((count - 1) % step, count, step))


def default_of(section: type[Section], name: str) -> Any:
    """What a setting is where nothing is said."""
    fields: Mapping[str, Any] = section.model_fields
    return fields[name].default
