"""The layers of BERT (Devlin et al. 2018), under the names that its checkpoints have."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from emovoz.encoders.fingerprint import is_idle
from emovoz.encoders.layers import table, width_of_heads
from emovoz.encoders.packed import linear_gelu
from emovoz.weights import config_of, config_told, load_weights

OLD_NAMES = {
    r"LayerNorm\.gamma$": "LayerNorm.weight",
    r"LayerNorm\.beta$": "LayerNorm.bias",
    # which are no weights; out of the parts that the layers have, so that they are left out
    r"^embeddings\.position_ids$": "position_ids",
}
"""Of 2019: patterns, and what is said now."""


@dataclass(frozen=True)
class BertSettings:
    """What a BERT's config.json says of its hidden states, by transformers' names and with its defaults.

    Those without a default say nothing; they are in files that were written by older versions.
    """

    model_type: str = "bert"
    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    is_decoder: bool = False
    is_encoder_decoder: bool = False
    add_cross_attention: bool = False
    chunk_size_feed_forward: int = 0
    position_embedding_type: str | None = None
    directionality: str | None = None
    pooler_fc_size: int | None = None
    pooler_num_attention_heads: int | None = None
    pooler_num_fc_layers: int | None = None
    pooler_size_per_head: int | None = None
    pooler_type: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as transformers' configuration tells, without what `settings_of` leaves out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class BertLayers(nn.Module):
    """BERT's embeddings and layers; `TextEncoder` runs them.

    transformers has the same, and takes two seconds to be imported.

    Raises:
        ValueError: heads that do not divide the width.
    """

    def __init__(self, config: BertSettings) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.encoder = nn.ModuleDict(
            {"layer": nn.ModuleList(BertBlock(config) for _ in range(config.num_hidden_layers))}
        )


class BertEmbeddings(nn.Module):
    """What a token is, where it is, and that it is of the first text."""

    def __init__(self, config: BertSettings) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = table(config.vocab_size, width)
        self.position_embeddings = table(config.max_position_embeddings, width)
        self.token_type_embeddings = table(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, input_ids: Tensor) -> Tensor:
        """[batch, token] -> [batch, token, dim]."""
        embedded = self.word_embeddings(input_ids) + self.token_type_embeddings.weight[0]
        return self.LayerNorm(embedded + self.position_embeddings.weight[: input_ids.shape[1]])


class BertBlock(nn.Module):
    """One transformer layer, whose norms come after attention and after the feed-forward layers."""

    def __init__(self, config: BertSettings) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        attention = BertSelfAttention(width, config.num_attention_heads)
        self.attention = nn.ModuleDict({"self": attention, "output": BertOutput(width, width, config.layer_norm_eps)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = BertOutput(inner, width, config.layer_norm_eps)

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """[batch, token, dim] -> the same; the mask is added to the scores [batch, head, token, token]."""
        attended = self.attention["output"](self.attention["self"](hidden, mask), hidden)
        states: Tensor = self.output(linear_gelu(self.intermediate["dense"], attended), attended)
        return states


class BertSelfAttention(nn.Module):
    """Multi-head self-attention, without the projection after it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.head_width = width_of_heads(width, heads)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """[batch, token, dim] -> the same."""
        query, key, value = (
            project(hidden).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        return scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)


class BertOutput(nn.Module):
    """A projection, added to what was before it, and their norm."""

    def __init__(self, wide: int, width: int, epsilon: float) -> None:
        super().__init__()
        self.dense = nn.Linear(wide, width)
        self.LayerNorm = nn.LayerNorm(width, eps=epsilon)

    def forward(self, inner: Tensor, before: Tensor) -> Tensor:
        """[..., wide] and [..., width] -> [..., width]."""
        normed: Tensor = self.LayerNorm(self.dense(inner) + before)
        return normed


def load_bert(directory: Path) -> BertLayers | None:
    """The encoder in a directory, in eval mode; None where it is not a BERT as these layers are, to the last setting.

    Raises:
        InputError: as `load_weights`.
    """
    if not _is_plain(config_told(directory)):
        return None
    config = config_of(BertSettings, directory)
    return load_weights(lambda: BertLayers(config), directory, within=r"(bert\.)?", old_names=OLD_NAMES)


def _is_plain(told: dict[str, Any]) -> bool:
    """Whether a configuration tells nothing that is not known here."""
    usual = asdict(BertSettings())
    fixed = ("model_type", "hidden_act", "is_decoder", "is_encoder_decoder", "add_cross_attention")
    known = {field.name for field in fields(BertSettings) if told.get(field.name, 0) is not None}
    unknown = {name for name in told if not is_idle(name)} - known
    return not unknown and all(told.get(name, usual[name]) == usual[name] for name in fixed)
