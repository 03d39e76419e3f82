"""From the name in a recipe to an encoder that is ready to use."""

import json
from pathlib import Path

from emovoz.encoders.known import known_encoder
from emovoz.encoders.sources import directory_of, locate
from emovoz.encoders.speech import SpeechEncoder
from emovoz.encoders.text import TextEncoder
from emovoz.errors import InputError


def load_speech_encoder(model: str) -> SpeechEncoder:
    """Load a frozen speech encoder.

    Args:
        model: a short name (`whisper-base`), a local Hugging Face directory, or a hub id.

    Raises:
        InputError: it cannot be found, is of a family emovoz does not know, or its weights do not fit.
    """
    from emovoz.encoders.whisper import WhisperSpeechEncoder

    families = {"whisper": WhisperSpeechEncoder}
    directory = directory_of(locate(model))
    family = _model_type(directory)
    if family not in families:
        raise InputError(f"{model}: a {family!r} model is no speech encoder known here; known: {', '.join(families)}")
    return families[family](directory)


def load_text_encoder(model: str, *, prefix: str | None = None) -> TextEncoder:
    """Load a frozen text encoder.

    Args:
        model: a short name (`multilingual-e5-small`), a local Hugging Face directory, or a hub id.
        prefix: put before every text; by default what the known encoder was trained with, else nothing.

    Raises:
        InputError: it cannot be found, or its weights do not fit.
    """
    known = known_encoder(model)
    directory = directory_of(locate(model))
    _model_type(directory)
    return TextEncoder(directory, prefix=(known.prefix if known else "") if prefix is None else prefix)


def _model_type(directory: Path) -> str:
    config = directory / "config.json"
    try:
        return str(json.loads(config.read_text())["model_type"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{directory}: not a Hugging Face model directory (no usable config.json)") from error
