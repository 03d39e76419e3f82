"""EmotionHead: a head as transformers keeps its models."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from emovoz.model.config import MODEL_TYPE, HeadConfig
from emovoz.model.head import Head


class EmotionHeadConfig(PreTrainedConfig, HeadConfig):
    """Shape of an EmotionHead."""

    model_type = MODEL_TYPE

    id2label: dict[int, str] | None = None

    def __post_init__(self, **given: Any) -> None:
        super().__post_init__(**given)
        self.label2id = {label: int(i) for i, label in (self.id2label or {}).items()}


class EmotionHead(Head, PreTrainedModel):
    """A head with `save_pretrained`, `from_pretrained` and `push_to_hub`.

    >>> import torch
    >>> from emovoz.settings import Model
    >>> config = EmotionHeadConfig.of(Model(), {"speech": (3, 8)}, ["joy", "anger"])
    >>> head = EmotionHead(config).eval()
    >>> head(speech=torch.zeros(1, 3, 5, 8), speech_mask=torch.ones(1, 5, dtype=bool)).logits.shape
    torch.Size([1, 2])
    """

    config_class = EmotionHeadConfig
    config: EmotionHeadConfig
    base_model_prefix = "head"
    main_input_name = "speech"

    def __init__(self, config: EmotionHeadConfig) -> None:
        # which goes on to torch's Module, beyond Head
        PreTrainedModel.__init__(self, config)
        self._build(config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Keep torch's own initial values."""

    @classmethod
    def of(cls, head: Head) -> Self:
        """The same head; the tensors are those of the one given."""
        with torch.device("meta"):
            same = cls(EmotionHeadConfig(**asdict(head.config)))
        same.load_state_dict(head.state_dict(), assign=True)
        return same.train(head.training)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """A saved head in eval mode; errors as of `Head.load`."""
        return cls.of(Head.load(directory))
