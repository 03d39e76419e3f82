"""emovoz: emotion recognised from how something is said and what is said."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emovoz.auditing import audit
    from emovoz.corpus import Clip, Corpus, Waveform
    from emovoz.encoders import SpeechEncoder, TextEncoder
    from emovoz.errors import InputError
    from emovoz.evaluation import crossval, evaluate
    from emovoz.exported import ExportedRecognizer
    from emovoz.exporting import export
    from emovoz.features import FeatureStore, extract
    from emovoz.inference import Prediction, Recognizer
    from emovoz.model import EmotionHead
    from emovoz.recipe import Recipe
    from emovoz.sequence import MaskedSequence
    from emovoz.training import fit, train

__version__ = "0.1.0"

# onnxruntime, by which exports and transcribers compute, would tell its maker of every use
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# clips of every length come: oneDNN would keep what it has prepared for a thousand of them, half a gigabyte, and
# torch as many more in every thread that computes
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
os.environ.setdefault("LRU_CACHE_CAPACITY", "16")

_HOMES = {
    "Clip": "corpus",
    "Corpus": "corpus",
    "EmotionHead": "model",
    "ExportedRecognizer": "exported",
    "FeatureStore": "features",
    "InputError": "errors",
    "MaskedSequence": "sequence",
    "Prediction": "inference",
    "Recipe": "recipe",
    "Recognizer": "inference",
    "SpeechEncoder": "encoders",
    "TextEncoder": "encoders",
    "Waveform": "corpus",
    "audit": "auditing",
    "crossval": "evaluation",
    "evaluate": "evaluation",
    "export": "exporting",
    "extract": "features",
    "fit": "training",
    "train": "training",
}

__all__ = [
    "Clip",
    "Corpus",
    "EmotionHead",
    "ExportedRecognizer",
    "FeatureStore",
    "InputError",
    "MaskedSequence",
    "Prediction",
    "Recipe",
    "Recognizer",
    "SpeechEncoder",
    "TextEncoder",
    "Waveform",
    "audit",
    "crossval",
    "evaluate",
    "export",
    "extract",
    "fit",
    "train",
]


def __getattr__(name: str) -> Any:
    # Public names arrive when first used, so that `import emovoz` does not wait for torch.
    if name in _HOMES:
        return getattr(import_module(f"emovoz.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'emovoz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
