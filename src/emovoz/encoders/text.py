"""TextEncoder: hidden states of the words, a vector a token."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emovoz.encoders.fingerprint import architecture, fingerprint, weights_digest
from emovoz.encoders.placement import PRECISION, compute_device, equal_length_batches
from emovoz.encoders.pretrained import load_frozen
from emovoz.errors import InputError
from emovoz.sequence import MaskedSequence


class TextEncoder:
    """A frozen text encoder.

    Args:
        directory: a Hugging Face directory with a model and a fast tokenizer.
        prefix: put before every text, as the model was trained.

    Attributes:
        dim: width of a token.
        layers: number of hidden states, the embedding output included.
        longest: tokens kept of a text, special ones included.
        fingerprint: hash of the weights' values, tokenizer, prefix, backend and precision.
    """

    budget_tokens = 2048

    def __init__(self, directory: Path, *, prefix: str = "") -> None:
        from transformers import AutoModel, AutoTokenizer

        self.device = compute_device()
        self.model: Any = load_frozen(
            AutoModel, directory, self.device, ignore=("cls.", "lm_head.", "pooler."), add_pooling_layer=False
        )
        self.tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        if not self.tokenizer.is_fast:
            raise InputError(f"{directory}: the tokenizer has no tokenizer.json; emovoz needs a fast tokenizer")
        self.prefix = prefix
        config = self.model.config
        self.dim: int = config.hidden_size
        self.layers: int = config.num_hidden_layers + 1
        self.longest = min(self.tokenizer.model_max_length, config.max_position_embeddings)
        self.fingerprint = fingerprint(
            weights_digest(self.model),
            tokenizer=self.tokenizer.backend_tokenizer.to_str(),
            architecture=architecture(config),
            prefix=prefix,
            longest=self.longest,
            backend="torch",
            precision=str(PRECISION),
        )

    def encode(self, texts: Sequence[str], layers: Sequence[int] | None = None) -> MaskedSequence:
        """Hidden states of a batch of texts, each text's independent of the others.

        Args:
            texts: plain texts; what exceeds `longest` tokens is cut off, special tokens are kept.
            layers: which hidden states; all by default.

        Returns:
            features [batch, layer, token, dim].
        """
        return MaskedSequence.pad(self.encode_each(texts, layers))

    def encode_each(self, texts: Sequence[str], layers: Sequence[int] | None = None) -> list[Tensor]:
        """Hidden states [layer, token, dim] of each text, in the order given; texts of as many tokens share a batch."""
        chosen = list(range(self.layers)) if layers is None else list(layers)
        tokens = self.tokens(texts)
        encoded: list[Tensor] = [torch.empty(0)] * len(tokens)
        for batch in equal_length_batches([len(ids) for ids in tokens], self.budget_tokens):
            for i, states in zip(batch, self._encode_batch([tokens[i] for i in batch], chosen), strict=True):
                encoded[i] = states
        return encoded

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, prefix and special tokens included."""
        if not texts:
            return []
        prefixed = [self.prefix + text for text in texts]
        return self.tokenizer(prefixed, truncation=True, max_length=self.longest)["input_ids"]

    @torch.inference_mode()
    def _encode_batch(self, tokens: list[list[int]], layers: list[int]) -> list[Tensor]:
        ids = torch.tensor(tokens, device=self.device)
        states = self.model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states
        return list(torch.stack([states[i] for i in layers], dim=1))
