"""The sections of a recipe: every setting, typed, with its meaning and its default."""

from emovoz.settings.augmentation import Augmentation, Effect, Gain, Noise, Reverb, SpecAugment, Speed, Tempo
from emovoz.settings.base import Layers, Section, default_of, layer_numbers
from emovoz.settings.encoding import Features, Lora, Ngrams, Speech, Text
from emovoz.settings.model import Model
from emovoz.settings.selection import Selection
from emovoz.settings.training import Evaluation, Tracking, Training

__all__ = [
    "Augmentation",
    "Effect",
    "Evaluation",
    "Features",
    "Gain",
    "Layers",
    "Lora",
    "Model",
    "Ngrams",
    "Noise",
    "Reverb",
    "Section",
    "Selection",
    "SpecAugment",
    "Speech",
    "Speed",
    "Tempo",
    "Text",
    "Tracking",
    "Training",
    "default_of",
    "layer_numbers",
]
