"""The trainable head between frozen features and labels."""

from emovoz.model.config import EmotionHeadConfig
from emovoz.model.head import EmotionHead

__all__ = ["EmotionHead", "EmotionHeadConfig"]
