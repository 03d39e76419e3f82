"""Layers that relate the frames of a sequence to each other; only real frames are attended to, and the mask stays.

Frames carry their place in time from the encoder; nothing is added that says it again.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from emovoz.model.config import HeadConfig
from emovoz.sequence import MaskedSequence


class SequenceLayer(nn.Module, ABC):
    """Relates frames; `out_dim` is the width of what it gives."""

    out_dim: int

    def forward(self, sequence: MaskedSequence) -> MaskedSequence:
        """[batch, time, dim] -> [batch, time, out_dim], under the same mask."""
        return MaskedSequence(self.related(sequence), sequence.mask)

    @abstractmethod
    def related(self, sequence: MaskedSequence) -> Tensor:
        """The frames [batch, time, out_dim]; what comes out under the mask means nothing."""


class NoLayer(SequenceLayer):
    """Leaves the frames as they are."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    def related(self, sequence: MaskedSequence) -> Tensor:
        """The frames."""
        return sequence.features


class SelfAttention(SequenceLayer):
    """Attention of the frames to each other with nothing to learn, scaled by the root of the width."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    def related(self, sequence: MaskedSequence) -> Tensor:
        """Of each frame, the mean of all frames by likeness to it."""
        frames = sequence.features[:, None]
        return _attended(frames, frames, frames, sequence.mask)[:, 0]


class MultiHeadSelfAttention(SequenceLayer):
    """Multi-head attention of the frames to each other, without residual or norm.

    As in Casals-Salvador et al. 2024 (arXiv 2407.12467), where every head is as wide as the whole input.
    """

    def __init__(self, dim: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(dim, heads, head_width)
        self.out_dim = dim

    def related(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]."""
        return self.attention(sequence.features, sequence)


class ReducedMultiHeadSelfAttention(SequenceLayer):
    """Multi-head attention of the frames to each other whose output is as wide as one head: the mean of the heads.

    A projection of the heads side by side to the width of one would be no richer: it is a sum over the heads of linear
    maps, which each head's own projection of the values already has.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.out_dim = dim // heads
        self.heads = Heads(dim, heads, self.out_dim)

    def related(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim / heads]."""
        return self.heads(sequence.features, sequence).mean(1)


class Transformer(SequenceLayer):
    """Transformer blocks with the norm before each step (Xiong et al. 2020), and a norm after the last.

    Args:
        blocks: how many.
        expansion: width of the feed-forward layers in multiples of `dim`.
        dropout: inside the feed-forward layers and on what each step adds.
    """

    def __init__(self, dim: int, *, blocks: int, heads: int, expansion: float, dropout: float) -> None:
        super().__init__()
        hidden = max(1, round(expansion * dim))
        self.blocks = nn.ModuleList(TransformerBlock(dim, heads, hidden, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.out_dim = dim

    def related(self, sequence: MaskedSequence) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]."""
        frames = sequence.features
        for block in self.blocks:
            frames = block(frames, sequence.mask)
        return self.norm(frames)


class TransformerBlock(nn.Module):
    """Multi-head attention, then a feed-forward layer, each of normalised frames and added to the frames."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, heads, dim // heads)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]."""
        normed = self.attention_norm(frames)
        frames = frames + self.dropout(self.attention(normed, MaskedSequence(normed, mask)))
        return frames + self.dropout(self.feed_forward(self.feed_forward_norm(frames)))


class MultiHeadAttention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017): what the heads find, side by side, projected back."""

    def __init__(self, dim: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = Heads(dim, heads, head_width)
        self.out = nn.Linear(heads * head_width, dim)
        nn.init.zeros_(self.out.bias)

    def forward(self, frames: Tensor, context: MaskedSequence) -> Tensor:
        """Frames [batch, time, dim] that attend to those of the context -> [batch, time, dim]."""
        return self.out(self.heads(frames, context).transpose(1, 2).flatten(2))


class Heads(nn.Module):
    """The heads of an attention, each with its own projections of queries, keys and values."""

    def __init__(self, dim: int, heads: int, width: int) -> None:
        super().__init__()
        self.count = heads
        self.query, self.key, self.value = (nn.Linear(dim, heads * width) for _ in range(3))
        for projection in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, frames: Tensor, context: MaskedSequence) -> Tensor:
        """Frames [batch, time, dim] that attend to those of the context -> [batch, head, time, width]."""
        keys, values = self.key(context.features), self.value(context.features)
        return _attended(self._split(self.query(frames)), self._split(keys), self._split(values), context.mask)

    def _split(self, projected: Tensor) -> Tensor:
        return projected.unflatten(2, (self.count, -1)).transpose(1, 2)


def sequence_layer_of(config: HeadConfig, dim: int) -> SequenceLayer:
    """The sequence layer that the settings name, for frames of this width."""
    heads = config.sequence_heads
    if config.sequence == "self_attention":
        return SelfAttention(dim)
    if config.sequence == "multi_head_attention":
        return MultiHeadSelfAttention(dim, heads, dim if config.sequence_head_width == "whole" else dim // heads)
    if config.sequence == "reduced_multi_head_attention":
        return ReducedMultiHeadSelfAttention(dim, heads)
    if config.sequence == "transformer":
        return Transformer(
            dim,
            blocks=config.sequence_blocks,
            heads=heads,
            expansion=config.sequence_expansion,
            dropout=config.sequence_dropout,
        )
    return NoLayer(dim)


def _attended(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Scaled dot-product attention [batch, head, time, width] to the keys that the mask [batch, time] names."""
    # a softmax over nothing is NaN in some backends: a row without a real frame attends to its padding, unseen
    seen = mask | ~mask.any(1, keepdim=True)
    return scaled_dot_product_attention(queries, keys, values, attn_mask=seen[:, None, None])
