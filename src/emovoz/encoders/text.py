"""TextEncoder: hidden states of the words, a vector a token."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emovoz.encoders.bert_layers import BertLayers, load_bert
from emovoz.encoders.fingerprint import fingerprints, settings_of, tensors_digest
from emovoz.encoders.packed import pack
from emovoz.encoders.placement import (
    at_once,
    batch_budget,
    compute_device,
    equal_length_batches,
    multiplying,
    product_precision,
)
from emovoz.encoders.pretrained import load_frozen
from emovoz.encoders.tokenizer import read_tokenizer
from emovoz.sequence import MaskedSequence
from emovoz.threads import several_at_once

TUNABLE: dict[str, tuple[str | None, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "camembert", "electra"),
        ("encoder.layer", ("attention.self.query", "attention.self.value")),
    ),
    "distilbert": ("transformer.layer", ("attention.q_lin", "attention.v_lin")),
}
"""Families whose layers take nothing but states and a mask: where they are, and their projections of queries and
values."""

USUAL_LONGEST = 512
"""Tokens kept where neither the tokenizer nor the model has a limit of its own."""


class TextEncoder:
    """A frozen text encoder.

    Args:
        directory: a Hugging Face directory with a model and a fast tokenizer.
        prefix: put before every text, as the model was trained.

    Attributes:
        dim: width of a token.
        layers: number of hidden states, the embedding output included.
        longest: tokens kept of a text, special ones included.
        tokenizer: of the library tokenizers; it cuts texts.
        stand_in: the token of an empty text where the model knows no special ones, so that it has none at all.
        blocks: its transformer layers, in order; none where the family is not one of `TUNABLE`.
        projections: of queries and of values within a block, by name.
        multiplies_in: precision of the matrix products (see `product_precision`).
        fingerprint: hash of the weights' values, tokenizer, prefix, backend and precision.
        kindred: the same for each precision that there is.
    """

    budget_tokens = 2048

    def __init__(self, directory: Path, *, prefix: str = "") -> None:
        self.device = compute_device()
        self.multiplies_in = product_precision(self.device)
        self.model = _text_model(directory, self.device)
        self.prefix = prefix
        config = self.model.config
        self.dim: int = config.hidden_size
        self.layers: int = config.num_hidden_layers + 1
        place, self.projections = TUNABLE.get(config.model_type, (None, ()))
        self.blocks: Sequence[Any] = () if place is None else self.model.get_submodule(place)
        # the library that reads tokenizers lets nothing else begin meanwhile, but what has begun goes on
        with ThreadPoolExecutor(1) as aside:
            digest = aside.submit(tensors_digest, self.model.state_dict())
            # T5 looks at its dense weights in every call
            if self.multiplies_in == "float32" and "t5" not in config.model_type:
                pack(self.model)
            tokenizer = read_tokenizer(directory, generic=isinstance(self.model, BertLayers))
            self.longest = min(tokenizer.most, _positions(self.model))
            self.kindred = fingerprints(
                digest.result(),
                tokenizer=tokenizer.backend.to_str(),
                architecture=settings_of(config),
                prefix=prefix,
                longest=self.longest,
                backend="torch",
            )
        self.fingerprint = self.kindred[self.multiplies_in]
        self.tokenizer, self.stand_in = tokenizer.cut_at(self.longest), tokenizer.stand_in

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
        batches = equal_length_batches([len(ids) for ids in tokens], batch_budget(self.budget_tokens, self.device))
        states = several_at_once(
            lambda batch: self._encode_batch([tokens[i] for i in batch], chosen),
            batches,
            # how the library gathers hidden states need not be safe in threads
            most=at_once(self.device) if self.blocks else 1,
        )
        encoded = dict(zip(chain(*batches), chain(*states), strict=True))
        return [encoded[i] for i in range(len(tokens))]

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, prefix and special tokens included."""
        if not texts:
            return []
        return [of_text.ids or [self.stand_in] for of_text in self._tokenised(texts)]

    def words(self, text: str) -> list[int | None]:
        """The word that each token of `tokens` belongs to, counted from 0; None of special ones and of the prefix.

        Words are what blanks separate, with their punctuation. A token that is a blank goes with the word after it.
        """
        ends = [match.end() for match in re.finditer(r"\S+", text)]
        spans = self._tokenised([text])[0].offsets
        # where the token ends in the text itself: not after its beginning, for special ones and the prefix
        lasts = [end - len(self.prefix) for _, end in spans]
        found = [bisect_left(ends, last) if last > 0 else len(ends) for last in lasts]
        return [word if word < len(ends) else None for word in found] or [None]

    def _tokenised(self, texts: Sequence[str]) -> Any:
        return self.tokenizer.encode_batch([self.prefix + text for text in texts])

    def _encode_batch(self, tokens: list[list[int]], layers: list[int]) -> list[Tensor]:
        with torch.inference_mode(), multiplying(self.device, self.multiplies_in):
            return [states.float() for states in self._of_batch(tokens, layers)]

    def _of_batch(self, tokens: list[list[int]], layers: list[int]) -> list[Tensor]:
        ids = torch.tensor(tokens, device=self.device)
        if self.blocks:
            return list(torch.stack(self._states(self._embedded(ids), layers), dim=1))
        output = self.model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
        # some families record the last layer before its final norm; the last state is what the model gives
        states = [*output.hidden_states[:-1], output.last_hidden_state]
        return list(torch.stack([states[i] for i in layers], dim=1))

    def _embedded(self, ids: Tensor) -> Tensor:
        """The embedding output [batch, token, dim] of a model whose blocks are known."""
        embedded = self.model.embeddings(input_ids=ids)
        # of ELECTRA, where the embeddings are narrower than the layers
        project = getattr(self.model, "embeddings_project", None)
        return embedded if project is None else project(embedded)

    def _states(
        self, hidden: Tensor, layers: Sequence[int], *, start: int = 0, mask: Tensor | None = None
    ) -> list[Tensor]:
        """Hidden states [batch, token, dim] from the one with the number `start` on; none above the highest is made."""
        states = [hidden]
        for block in self.blocks[start : max(layers)]:
            states.append(block(states[-1], mask))
        return [states[i - start] for i in layers]

    def above(self, start: int, hidden: Tensor, lengths: list[int], layers: Sequence[int]) -> Tensor:
        """Hidden states made from a lower one, by the layers between.

        Args:
            start: which state `hidden` is.
            hidden: of texts laid end to end [sum of lengths, dim].
            lengths: of the texts, tokens.
            layers: which states; none below `start`.

        Returns:
            [layer, sum of lengths, dim].
        """
        texts = MaskedSequence.pad(hidden.split(lengths))
        padding = torch.finfo(hidden.dtype).min * (~texts.mask[:, None, None]).to(hidden.dtype)
        states = self._states(texts.features, layers, start=start, mask=padding)
        return torch.stack([state[texts.mask] for state in states])


def _text_model(directory: Path, device: torch.device) -> Any:
    """The encoder of a text model, or all of one that has no other part, without what follows the last state."""
    bert = load_bert(directory)
    if bert is not None:
        return bert.to(device).requires_grad_(False)

    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

    config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    kind = AutoModelForTextEncoding if type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING else AutoModel
    model = load_frozen(kind, directory, device, optional=("pooler.",))
    if config.is_encoder_decoder and kind is AutoModel:
        model = model.get_encoder()
    if hasattr(model, "pooler"):
        model.pooler = None
    return model


def _positions(model: Any) -> int:
    """Tokens that the position table allows; RoBERTa's begins after its padding id."""
    config = model.config
    positions = getattr(config, "max_position_embeddings", None) or USUAL_LONGEST
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    before = max(
        (table.padding_idx + 1 for table in tables if getattr(table, "padding_idx", None) is not None), default=0
    )
    return int(positions - before)
