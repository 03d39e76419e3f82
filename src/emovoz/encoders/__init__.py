"""Frozen pretrained encoders: audio and words in, masked hidden states out."""

from emovoz.encoders.known import KNOWN, KnownEncoder
from emovoz.encoders.load import fetch_encoder, load_speech_encoder, load_text_encoder
from emovoz.encoders.sources import Source, locate
from emovoz.encoders.speech import SpeechEncoder
from emovoz.encoders.text import TextEncoder

__all__ = [
    "KNOWN",
    "KnownEncoder",
    "Source",
    "SpeechEncoder",
    "TextEncoder",
    "fetch_encoder",
    "load_speech_encoder",
    "load_text_encoder",
    "locate",
]
