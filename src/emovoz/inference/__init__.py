"""A trained recogniser at work: saved, loaded, predicting."""

from emovoz.inference.inputs import clips_of
from emovoz.inference.prediction import Prediction
from emovoz.inference.recognizer import Recognizer
from emovoz.inference.scores import decided, pooled, probabilities

__all__ = ["Prediction", "Recognizer", "clips_of", "decided", "pooled", "probabilities"]
