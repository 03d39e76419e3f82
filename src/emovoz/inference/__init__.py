"""A trained recogniser at work: saved, loaded, predicting."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from emovoz.inference.inputs import clips_of
from emovoz.inference.prediction import Prediction

if TYPE_CHECKING:
    from emovoz.inference.recognizer import Recognizer
    from emovoz.inference.scores import decided, pooled, probabilities

_HOMES = {"Recognizer": "recognizer", "decided": "scores", "pooled": "scores", "probabilities": "scores"}

__all__ = ["Prediction", "Recognizer", "clips_of", "decided", "pooled", "probabilities"]


def __getattr__(name: str) -> Any:
    # an exported model is asked without torch
    if name in _HOMES:
        return getattr(import_module(f"emovoz.inference.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'emovoz.inference' has no attribute {name!r}")
