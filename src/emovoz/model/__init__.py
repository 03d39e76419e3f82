"""The trainable head between frozen features and labels."""

from typing import TYPE_CHECKING, Any

from emovoz.model.config import HeadConfig
from emovoz.model.head import Head

if TYPE_CHECKING:
    from emovoz.model.emotion_head import EmotionHead, EmotionHeadConfig

__all__ = ["EmotionHead", "EmotionHeadConfig", "Head", "HeadConfig"]


def __getattr__(name: str) -> Any:
    # what only predicts does not wait for transformers
    if name in __all__:
        from emovoz.model import emotion_head

        return getattr(emotion_head, name)
    raise AttributeError(f"module 'emovoz.model' has no attribute {name!r}")
