"""From the name in a recipe to an encoder that is ready to use."""

import json
from importlib import import_module
from pathlib import Path

from emovoz.encoders.known import KnownEncoder, known_encoder
from emovoz.encoders.sources import Source, directory_of, locate
from emovoz.encoders.speech import SpeechEncoder
from emovoz.encoders.text import TextEncoder
from emovoz.errors import InputError

SPEECH_FAMILIES = {
    "whisper": ("whisper", "WhisperSpeechEncoder"),
    "wav2vec2": ("wav2vec2", "Wav2Vec2SpeechEncoder"),
    "hubert": ("wav2vec2", "Wav2Vec2SpeechEncoder"),
    "data2vec-audio": ("wav2vec2", "Wav2Vec2SpeechEncoder"),
    "wavlm": ("wav2vec2", "WavLMSpeechEncoder"),
    "wav2vec2-bert": ("w2v_bert", "W2VBertSpeechEncoder"),
}
"""Module and class for each `model_type` of a transformers configuration."""


def load_speech_encoder(model: str) -> SpeechEncoder:
    """Load a frozen speech encoder.

    Args:
        model: a short name (`whisper-base`, `xls-r-300m`, `log-mel`, `egemaps`), a local Hugging Face directory, or a
            hub id.

    Raises:
        InputError: it cannot be found, is of a family emovoz does not know, or its weights do not fit.
    """
    source = locate(model)
    known = _known_to_encode("speech", source)
    if known is not None and known.family == "opensmile":
        from emovoz.encoders.functionals import Functionals

        return Functionals(known.name)
    if source.kind == "built-in":
        from emovoz.encoders.spectrogram import LogMel

        return LogMel()
    directory = directory_of(source)
    family = model_type(directory)
    if family not in SPEECH_FAMILIES:
        families = ", ".join(SPEECH_FAMILIES)
        raise InputError(f"{model}: a {family!r} model is no speech encoder known here; known: {families}")
    module, name = SPEECH_FAMILIES[family]
    encoder: SpeechEncoder = getattr(import_module(f"emovoz.encoders.{module}"), name)(directory)
    return encoder


def load_text_encoder(model: str, *, prefix: str | None = None) -> TextEncoder:
    """Load a frozen text encoder.

    Args:
        model: a short name (`multilingual-e5-small`, `beto`), a local Hugging Face directory, or a hub id.
        prefix: put before every text; by default what the known encoder was trained with, else nothing.

    Raises:
        InputError: it cannot be found, or its weights do not fit.
    """
    source = locate(model)
    known = _known_to_encode("text", source)
    directory = directory_of(source)
    if model_type(directory) in SPEECH_FAMILIES:
        raise InputError(f"{model}: a {model_type(directory)!r} model encodes speech, not text")
    return TextEncoder(directory, prefix=(known.prefix if known else "") if prefix is None else prefix)


def _known_to_encode(modality: str, source: Source) -> KnownEncoder | None:
    """What the table says of an encoder, nothing of a directory; raises InputError where it encodes something else."""
    known = None if source.kind == "directory" else known_encoder(source.model)
    if known is not None and known.modality != modality:
        raise InputError(f"{source.model} encodes {known.modality}, not {modality}")
    return known


def model_type(directory: Path) -> str:
    """What kind of model a Hugging Face directory holds, by its configuration.

    Raises:
        InputError: it is no such directory.
    """
    config = directory / "config.json"
    try:
        return str(json.loads(config.read_text())["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{directory}: not a Hugging Face model directory (no usable config.json)") from error
