"""wav2vec 2.0 and its kin: XLS-R, HuBERT, WavLM, data2vec-audio; convolutions over samples, then a transformer."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emovoz.encoders.end_to_end import OVERLAP_SECONDS, WINDOW_SECONDS, EndToEndEncoder, attend
from emovoz.encoders.packed import convolution, convolution_gelu, linear_gelu
from emovoz.encoders.placement import compute_device, on_device
from emovoz.encoders.pretrained import load_frozen, preprocessor

UNUSED = ("masked_spec_embed", "adapter.")
"""Of the training by masking, and of what may come after the last hidden state."""


class Wav2Vec2SpeechEncoder(EndToEndEncoder):
    """wav2vec 2.0 (Baevski et al. 2020), XLS-R, HuBERT (Hsu et al. 2021) or data2vec-audio (Baevski et al. 2022).

    Where the model wants it, every window of a clip is brought to zero mean and unit variance by itself. Clips are
    never padded, so the group norm of the base models sees the frames of one clip only.

    Args:
        directory: a Hugging Face directory with the model, with or without the head it was trained with.
    """

    projections = ("attention.q_proj", "attention.v_proj")

    def __init__(self, directory: Path) -> None:
        from transformers import AutoModel

        self.device = compute_device()
        self.model = load_frozen(AutoModel, directory, self.device, optional=UNUSED)
        _leave_out_what_is_not_run(self.model)
        self.blocks = self.model.encoder.layers
        config = self.model.config
        settings = preprocessor(directory)
        self.normalise = bool(settings.get("do_normalize", True))
        self.sample_rate = int(settings.get("sampling_rate", 16000))
        self.stable = bool(getattr(config, "do_stable_layer_norm", False))
        self.gelu, self.convolutions_gelu = config.hidden_act == "gelu", config.feat_extract_activation == "gelu"
        self.dim = config.hidden_size
        self.layers = config.num_hidden_layers + 1
        step = math.prod(config.conv_stride)
        self.frame_rate = self.sample_rate / step
        self.fewest_samples = _receptive_field(config.conv_kernel, config.conv_stride)
        self.window_frames = round(WINDOW_SECONDS * self.frame_rate)
        self.overlap_frames = round(OVERLAP_SECONDS * self.frame_rate)
        self.made_ready(
            convolutions=(list(config.conv_kernel), list(config.conv_stride), config.feat_extract_activation),
            feature_norm=getattr(config, "feat_extract_norm", None),
            stable=self.stable,
            buckets=(getattr(config, "num_buckets", None), getattr(config, "max_bucket_distance", None)),
            normalise=self.normalise,
            sample_rate=self.sample_rate,
        )

    def _embed(self, waveforms: list[np.ndarray]) -> list[Tensor]:
        return [self._embedded(waveform) for waveform in waveforms]

    def _embedded(self, waveform: np.ndarray) -> Tensor:
        samples = zero_mean_unit_variance(waveform) if self.normalise else waveform
        rows = on_device(samples, self.device)[:, None]
        for layer in self.model.feature_extractor.conv_layers:
            rows = self._convolved(layer, rows)
        projected = self.model.feature_projection(rows[None])
        # all but HuBERT also give what they projected
        frames = projected[0] if isinstance(projected, tuple) else projected
        frames = frames + self.model.encoder.pos_conv_embed(frames)
        return (frames if self.stable else self.model.encoder.layer_norm(frames))[0]

    def _convolved(self, layer: Any, rows: Tensor) -> Tensor:
        """One layer of the convolutions over one clip: [time, channel] -> [time', channel']."""
        norm = getattr(layer, "layer_norm", None)
        if norm is None and self.convolutions_gelu:
            return convolution_gelu(layer.conv, rows)
        rows = convolution(layer.conv, rows)
        if isinstance(norm, nn.GroupNorm):
            rows = normalised_over_time(norm, rows)
        elif norm is not None:
            rows = norm(rows)
        return layer.activation(rows)

    def _block(self, block: Any, hidden: Tensor, lengths: list[int]) -> Tensor:
        if not self.stable:
            hidden = block.layer_norm(hidden + self._attend(block, hidden, lengths))
            return block.final_layer_norm(hidden + self._feed_forward(block.feed_forward, hidden))
        hidden = hidden + self._attend(block, block.layer_norm(hidden), lengths)
        hidden = hidden + self._feed_forward(block.feed_forward, block.final_layer_norm(hidden))
        # the language adapters of MMS
        adapter = getattr(block, "adapter_layer", None)
        return hidden if adapter is None else hidden + adapter(hidden)

    def _feed_forward(self, layers: Any, hidden: Tensor) -> Tensor:
        if not self.gelu:
            return layers(hidden)
        return layers.output_dense(linear_gelu(layers.intermediate_dense, hidden))

    def _attend(self, block: Any, hidden: Tensor, lengths: list[int]) -> Tensor:
        return attend(block.attention, hidden, lengths)

    def _last(self, hidden: Tensor) -> Tensor:
        return self.model.encoder.layer_norm(hidden) if self.stable else hidden


class WavLMSpeechEncoder(Wav2Vec2SpeechEncoder):
    """WavLM (Chen et al. 2022): wav2vec 2.0 with a gated bias by relative position in every attention."""

    def _attend(self, block: Any, hidden: Tensor, lengths: list[int]) -> Tensor:
        attention, first = block.attention, self.blocks[0].attention
        positions = {length: first.compute_bias(length, length) for length in set(lengths)}

        def bias(clip: Tensor) -> Tensor:
            # [head, time, head dim] -> [head, time, 1], formula 3 of the paper
            by_head = clip.view(len(clip), attention.num_heads, -1).transpose(0, 1)
            halves = attention.gru_rel_pos_linear(by_head).unflatten(2, (2, 4)).sum(-1).sigmoid()
            update, reset = halves[..., :1], halves[..., 1:]
            return (update * (reset * attention.gru_rel_pos_const[0] - 1.0) + 2.0) * positions[len(clip)]

        return attend(attention, hidden, lengths, bias)


def zero_mean_unit_variance(waveform: np.ndarray) -> np.ndarray:
    """Samples as wav2vec 2.0 wants them.

    >>> zero_mean_unit_variance(np.array([1.0, 3.0])).round(3).tolist()
    [-1.0, 1.0]
    """
    return (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)


def normalised_over_time(norm: nn.GroupNorm, rows: Tensor) -> Tensor:
    """Every channel of one clip [time, channel] by its own mean and variance over time, as a group norm of one each."""
    if norm.num_groups != norm.num_channels:
        return norm(rows.T[None])[0].T.contiguous()
    # in reduced precision squares would overflow
    rows = rows.float()
    centred = rows - rows.mean(0)
    scale = norm.weight / (centred.square().mean(0) + norm.eps).sqrt()
    return torch.addcmul(norm.bias, centred, scale)


def _receptive_field(kernels: list[int], strides: list[int]) -> int:
    """Samples behind one frame."""
    return 1 + sum((kernel - 1) * math.prod(strides[:i]) for i, kernel in enumerate(kernels))


def _leave_out_what_is_not_run(model: Any) -> None:
    """Drop what no hidden state depends on."""
    if hasattr(model, "masked_spec_embed"):
        del model.masked_spec_embed
    model.adapter = None
