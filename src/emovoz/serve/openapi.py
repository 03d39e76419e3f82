"""How the API describes itself."""

from typing import Any

from emovoz import __version__
from emovoz.serve.model_card import NOTE
from emovoz.serve.schemas import Failure, Line, Lines

ABOUT: dict[str, Any] = {
    "title": "emovoz",
    "version": __version__,
    "description": f"Emotion recognised from how something is said and what is said. {NOTE}",
}
_AUDIO = {"type": "string", "format": "binary", "description": "A file: wav, flac, mp3, ogg, opus, ..."}
_TEXT = {"type": "string", "description": "What is said."}
_OPTIONS = {
    "timeline": {"type": "boolean", "default": False, "description": "Cut it into utterances, and label each."},
    "transcribe": {"type": "boolean", "default": False, "description": "Recognise the words where no text is given."},
}
_QUERY = [{"name": name, "in": "query", "schema": schema} for name, schema in _OPTIONS.items()]


def _failures(*more: tuple[int, str]) -> dict[int | str, dict[str, Any]]:
    told = {
        400: "The request cannot be understood.",
        401: "The key is missing or wrong.",
        408: "The request took too long to arrive.",
        413: "Too large, or too long.",
        429: "The queue is full; `Retry-After` says when to try again.",
        504: "No answer in time.",
        **dict(more),
    }
    return {status: {"model": Failure, "description": text} for status, text in sorted(told.items())}


def _form(properties: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "properties": {**properties, **_OPTIONS}}}


PREDICT: dict[str, Any] = {
    "summary": "Label one clip",
    "description": "As a form with the file in `audio`, or with the file as the body and all else in the query.",
    "responses": {
        200: {"model": Line, "description": "What `emovoz predict` prints of it."},
        **_failures((422, "The clip cannot be used: not audio, truncated, silent, ...")),
    },
    "openapi_extra": {
        "parameters": [*_QUERY, {"name": "text", "in": "query", "schema": _TEXT}],
        "requestBody": {
            "content": {
                "multipart/form-data": _form({"audio": _AUDIO, "text": _TEXT}),
                "audio/*": {"schema": _AUDIO},
            },
            "required": True,
        },
    },
}
BATCH: dict[str, Any] = {
    "summary": "Label several clips",
    "description": "A form with the files in several fields `audio`; `text` for none of them, or for each in order.",
    "responses": {200: {"model": Lines, "description": "An answer for each clip."}, **_failures()},
    "openapi_extra": {
        "parameters": _QUERY,
        "requestBody": {
            "content": {
                "multipart/form-data": _form(
                    {"audio": {"type": "array", "items": _AUDIO}, "text": {"type": "array", "items": _TEXT}}
                )
            },
            "required": True,
        },
    },
}
MODEL: dict[str, Any] = {"summary": "What is served", "description": "Labels, encoders, recipe, data, and limits."}
HEALTH: dict[str, Any] = {"summary": "Whether it works", "description": "Needs no key; 503 while it is ending."}
METRICS: dict[str, Any] = {
    "summary": "Counts for Prometheus",
    "description": "Requests, latency, queue, batches and audio, in the text format of Prometheus.",
}
