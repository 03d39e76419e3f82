"""HeadConfig: everything that decides a head's shape."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from emovoz.settings import Model

MODEL_TYPE = "emovoz-head"
NGRAMS = "ngrams"
"""The branch of counted n-grams: one frame a clip, which goes to the join as it is."""


@dataclass
class HeadConfig:
    """Shape of a head; the settings are those of a recipe's section `model`.

    Attributes:
        speech_layers, speech_dim, text_layers, text_dim, ngrams_layers, ngrams_dim: of the features; None without that
            branch.
        adapts: whether it knows a usual voice, so that speakers can be adapted to it (see `SpeakerAdaptation`).
        id2label: the label of each output.
    """

    speech_layers: int | None = None
    speech_dim: int | None = None
    text_layers: int | None = None
    text_dim: int | None = None
    ngrams_layers: int | None = None
    ngrams_dim: int | None = None
    layer_mix: str = "weighted"
    layer_norm: bool = True
    front_end: str = "none"
    vgg_channels: list[int] | None = None
    speech_adapter: str = "none"
    text_adapter: str = "none"
    width: int | None = None
    sequence: str = "none"
    sequence_heads: int = 4
    sequence_head_width: str = "split"
    sequence_blocks: int = 1
    sequence_expansion: float = 4.0
    sequence_dropout: float = 0.1
    pooling: str = "attention"
    pooling_heads: int = 4
    fusion: str = "time"
    standardise: bool = False
    ngrams_weight: float = 50.0
    hidden_layers: int = 1
    hidden_width: int = 256
    dropout: float = 0.1
    input_dropout: float = 0.0
    adapts: bool = False
    id2label: dict[int, str] | None = None

    @classmethod
    def of(
        cls, model: Model, shapes: Mapping[str, tuple[int, int]], labels: Sequence[str], *, adapts: bool = False
    ) -> Self:
        """The configuration for features of these (layers, dim) by branch, and these labels."""
        sizes = {
            f"{name}_{what}": size
            for name, shape in shapes.items()
            for what, size in zip(("layers", "dim"), shape, strict=True)
        }
        settings: dict[str, Any] = {**model.model_dump(), **sizes}
        return cls(**settings, adapts=adapts, id2label=dict(enumerate(labels)))

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """(layers, dim) of each branch's features."""
        every = {
            "speech": (self.speech_layers, self.speech_dim),
            "text": (self.text_layers, self.text_dim),
            NGRAMS: (self.ngrams_layers, self.ngrams_dim),
        }
        return {name: (layers, dim) for name, (layers, dim) in every.items() if layers is not None and dim is not None}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the outputs."""
        names = self.id2label or {}
        return tuple(names[i] for i in range(len(names)))

    def to_dict(self) -> dict[str, Any]:
        """What config.json says, and trackers are told: the settings, and what an `EmotionHead` goes by."""
        settings = {field.name: getattr(self, field.name) for field in fields(HeadConfig)}
        numbers = {label: number for number, label in enumerate(self.labels)}
        return {**settings, "label2id": numbers, "model_type": MODEL_TYPE, "architectures": ["EmotionHead"]}

    def to_json_string(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
