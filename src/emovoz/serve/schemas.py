"""What the API answers, as OpenAPI describes it."""

from typing import Any

from pydantic import BaseModel, ConfigDict

_LINE: dict[str, Any] = {
    "id": "a.wav",
    "label": "joy",
    "scores": {"anger": 0.02, "joy": 0.91, "neutral": 0.07},
    "seconds": 3.1,
    "transcription": "¡Qué alegría verte!",
    "modalities": ["speech", "text"],
    "model": "my-model",
}
_FAILURE: dict[str, Any] = {"id": "b.wav", "error": "silent: no sample rises above one 16-bit step"}


class Line(BaseModel):
    """A clip's emotion: one line of `emovoz predict`. With `timeline` it has `segments` too, of recognised words times.

    There is no label where a timeline has no segments, because nobody speaks.
    """

    id: str
    label: str | None
    scores: dict[str, float]
    seconds: float | None
    transcription: str | None
    modalities: list[str]
    model: str
    language: str | None = None
    words: list[dict[str, Any]] | None = None
    segments: list[dict[str, Any]] | None = None

    model_config = ConfigDict(json_schema_extra={"example": _LINE})


class Failure(BaseModel):
    """Why there is no answer, in a sentence; `id` where it is about one clip."""

    error: str
    id: str | None = None

    model_config = ConfigDict(json_schema_extra={"example": _FAILURE})


class Lines(BaseModel):
    """An answer for each clip, in the order in which they came; of a clip that cannot be used, its error."""

    predictions: list[Line | Failure]

    model_config = ConfigDict(json_schema_extra={"example": {"predictions": [_LINE, _FAILURE]}})


class Model(BaseModel):
    """What is served, what it was trained on, and the limits of a request."""

    name: str
    labels: list[str]
    modalities: list[str]
    encoders: dict[str, dict[str, str]]
    recipe: dict[str, Any]
    trained_on: dict[str, Any] | None
    held_out: dict[str, Any] | None
    calibrated: bool
    transcribes: bool
    limits: dict[str, Any]
    emovoz: str
    note: str


class Health(BaseModel):
    """Whether it can judge, and how many clips wait."""

    status: str
    waiting: int
