"""Transformers over the clips of a batch laid end to end: no padding, so nothing that has to be masked."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils import parametrize

from emovoz.corpus.audio import RESAMPLER
from emovoz.encoders.fingerprint import architecture, fingerprints, weights_digest
from emovoz.encoders.packed import pack
from emovoz.encoders.placement import multiplying, product_precision
from emovoz.encoders.speech import SpeechEncoder

WINDOW_SECONDS, OVERLAP_SECONDS = 30, 5
"""Of the encoders that have no window of their own."""

FEWEST_ROWS = 32
"""Below some 20 rows matrix multiplication takes another path and rounds differently; short clips are filled up."""


class EndToEndEncoder(SpeechEncoder):
    """A transformer whose convolutions and attention see one clip at a time, while all else works frame by frame.

    The clips of a batch are laid end to end, never padded. A clip's features are therefore the same to the bit alone
    and in any company, also where a layer has statistics over time (the group norm of wav2vec 2.0).

    Attributes:
        model: the transformers module, frozen.
        blocks: its transformer layers, in order.
        projections: of queries and of values within a block, by name.
        multiplies_in: precision of the matrix products (see `product_precision`).
        fewest_samples: shorter clips are filled up with zeros to the length that gives one frame.
    """

    model: Any
    blocks: Sequence[Any]
    projections: tuple[str, str]
    multiplies_in: str = "float32"
    fewest_samples: int = 0

    def _encode_batch(self, waveforms: list[np.ndarray], layers: list[int]) -> list[Tensor]:
        with torch.inference_mode(), multiplying(self.device, self.multiplies_in):
            return [states.float() for states in self._states(waveforms, layers)]

    def _states(self, waveforms: list[np.ndarray], layers: list[int]) -> list[Tensor]:
        clips = self._embed([self._filled(waveform) for waveform in waveforms])
        lengths = [len(clip) for clip in clips]
        filler = FEWEST_ROWS - sum(lengths)
        hidden = torch.cat([*clips, *([clips[0].new_zeros(filler, self.dim)] if filler > 0 else [])])
        parts = [*lengths, *([filler] if filler > 0 else [])]
        states = self.above(0, hidden, parts, layers)
        return list(states[:, : sum(lengths)].split(lengths, dim=1))

    def above(self, start: int, hidden: Tensor, lengths: list[int], layers: Sequence[int]) -> Tensor:
        """Hidden states made from a lower one, by the layers between.

        Args:
            start: which state `hidden` is.
            hidden: of clips laid end to end [sum of lengths, dim].
            lengths: of the clips, frames.
            layers: which states; none below `start`.

        Returns:
            [layer, sum of lengths, dim].
        """
        wanted = set(layers)
        kept = {start: hidden}
        for i, block in enumerate(self.blocks[start : max(layers)], start=start + 1):
            hidden = self._block(block, hidden, lengths)
            if i in wanted:
                kept[i] = self._last(hidden) if i == len(self.blocks) else hidden
        return torch.stack([kept[i] for i in layers])

    def made_ready(self, **settings: Any) -> None:
        """Say what the features depend on, and lay the weights out for use.

        Args:
            settings: of this encoder, beside weights, windows and all that every such encoder has.
        """
        self.kindred = fingerprints(
            weights_digest(self.model),
            architecture=architecture(self.model.config),
            mode="unpadded",
            windows=(self.window_frames, self.overlap_frames),
            resampler=RESAMPLER,
            backend="torch",
            **settings,
        )
        # only now: how the norms round depends on the number of threads, and no fingerprint may
        _fold_weight_norms(self.model)
        self.multiplies_in = product_precision(self.device)
        self.fingerprint = self.kindred[self.multiplies_in]
        if self.multiplies_in == "float32":
            pack(self.model)

    def _filled(self, waveform: np.ndarray) -> np.ndarray:
        return np.pad(waveform, (0, max(0, self.fewest_samples - len(waveform))))

    @abstractmethod
    def _embed(self, waveforms: list[np.ndarray]) -> list[Tensor]:
        """The embedding output [time, dim] of each clip."""

    @abstractmethod
    def _block(self, block: Any, hidden: Tensor, lengths: list[int]) -> Tensor:
        """One transformer layer over clips of these lengths: [sum of lengths, dim]."""

    def _last(self, hidden: Tensor) -> Tensor:
        """What the library makes of the last layer's output before it calls it the last hidden state."""
        return hidden


def each(function: Callable[[Tensor], Tensor], hidden: Tensor, lengths: list[int]) -> Tensor:
    """A function [1, time, dim] -> [1, time, dim] of every clip by itself, laid end to end again."""
    return torch.cat([function(clip[None])[0] for clip in hidden.split(lengths)])


def attend(
    attention: Any, hidden: Tensor, lengths: list[int], bias: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Multi-head self-attention within every clip.

    Args:
        attention: a module with `q_proj`, `k_proj`, `v_proj`, `out_proj`, `num_heads` and `scaling`.
        hidden: clips laid end to end [sum of lengths, dim].
        lengths: of the clips.
        bias: from a clip's frames [time, dim], what is added to its attention scores [head, time, time].
    """
    projected = (attention.q_proj(hidden) * attention.scaling, attention.k_proj(hidden), attention.v_proj(hidden))
    # [head, sum of lengths, head dim], then cut into clips: no frame sees another clip's
    parts = [x.view(len(x), attention.num_heads, -1).transpose(0, 1).split(lengths, dim=1) for x in projected]
    biases = [None if bias is None else bias(clip)[None] for clip in hidden.split(lengths)]
    mixed = [
        scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=added, scale=1.0)[0]
        for q, k, v, added in zip(*parts, biases, strict=True)
    ]
    return attention.out_proj(torch.cat(mixed, dim=1).transpose(0, 1).flatten(1))


def _fold_weight_norms(model: nn.Module) -> None:
    """Make plain weights of those that are kept as a direction and a length."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
