"""Speech encoders as graphs over padded batches: what a clip gives never depends on what lies beside or behind it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, gelu, pad, scaled_dot_product_attention

from emovoz.encoders import SpeechEncoder, log_mel, spectrogram
from emovoz.encoders.packed import unpacked
from emovoz.sequence import frame_mask

FAMILIES = ("whisper", "wav2vec2", "hubert", "data2vec-audio")
"""Of transformers' configurations, those with a graph here."""


class SpeechGraph(nn.Module, ABC):
    """Waveforms to the hidden states of some layers, padding masked wherever frames or samples meet.

    Args:
        encoder: frozen, of the family that the graph is of.
        layers: hidden states wanted.
    """

    def __init__(self, encoder: Any, layers: Sequence[int]) -> None:
        super().__init__()
        self.encoder, self.layers = encoder.model, list(layers)
        self.blocks = nn.ModuleList(encoder.blocks[: max(layers)])
        self.whole = max(layers) == len(encoder.blocks)

    def forward(self, waveform: Tensor, waveform_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states.

        Args:
            waveform: float32 [batch, samples].
            waveform_mask: bool [batch, samples], true up to each clip's end.

        Returns:
            float32 [batch, layer, time, dim], zero behind a clip's end, and bool [batch, time].
        """
        hidden, mask = self.embed(waveform, waveform_mask)
        attended = mask[:, None, None]
        states = [hidden]
        for block in self.blocks:
            states.append(self.block(block, states[-1], attended))
        if self.whole:
            states[-1] = self.finish(states[-1])
        stacked = torch.stack([states[layer] for layer in self.layers], dim=1)
        return stacked.masked_fill(~mask[:, None, :, None], 0.0), mask

    @abstractmethod
    def embed(self, waveform: Tensor, waveform_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The embedding output [batch, time, dim], and its mask [batch, time]."""

    @abstractmethod
    def block(self, block: Any, hidden: Tensor, attended: Tensor) -> Tensor:
        """One transformer layer; `attended` is the mask [batch, 1, 1, time]."""

    def finish(self, hidden: Tensor) -> Tensor:
        """What the library makes of the last layer's output before it calls it the last hidden state."""
        return hidden


class WhisperGraph(SpeechGraph):
    """Whisper's encoder with its log-mel spectrogram."""

    def __init__(self, encoder: Any, layers: Sequence[int]) -> None:
        super().__init__(encoder, layers)
        bands = encoder.model.config.num_mel_bins
        self.register_buffer("filters", log_mel.mel_filters(bands)[..., None])
        self.register_buffer("fourier", fourier_filters(log_mel.WINDOW, torch.hann_window(log_mel.WINDOW)))
        self.filters: Tensor
        self.fourier: Tensor

    def embed(self, waveform: Tensor, waveform_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel spectrogram, two convolutions, positions."""
        lengths = waveform_mask.sum(1)
        mel = self._log_mel(waveform, lengths)
        heard = frame_mask(lengths // (2 * log_mel.HOP) * 2, mel.shape[2])[:, None]
        hidden = gelu(self.encoder.conv1(torch.where(heard, mel, 0.0)))
        frames = gelu(self.encoder.conv2(torch.where(heard, hidden, 0.0))).transpose(1, 2)
        mask = frame_mask(lengths // (2 * log_mel.HOP), frames.shape[1])
        return frames + self.encoder.embed_positions.weight[: frames.shape[1]], mask

    def _log_mel(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """[batch, band, frame], each clip's range limited by its own maximum."""
        # a Fourier transform as a convolution of the clip, which goes on mirrored at both ends
        around = log_mel.WINDOW // 2
        places = torch.arange(waveform.shape[1] + 2 * around, device=waveform.device)[None] - around
        ends = lengths[:, None] - 1
        mirrored = torch.where(places > ends, 2 * ends - places, places.abs())
        padded = waveform.gather(1, mirrored.clamp(min=0).minimum(ends))
        power = power_of(padded, self.fourier, log_mel.HOP)[..., :-1]
        logs = conv1d(power, self.filters).clamp(min=1e-10).log10()
        own = frame_mask(lengths // log_mel.HOP, logs.shape[2])[:, None]
        loudest = logs.masked_fill(~own, -10.0).amax((1, 2), keepdim=True)
        return (logs.maximum(loudest - log_mel.CEILING) + 4.0) / 4.0

    def block(self, block: Any, hidden: Tensor, attended: Tensor) -> Tensor:
        """Norm before attention and before the feed-forward layers."""
        hidden = hidden + attend(block.self_attn, block.self_attn_layer_norm(hidden), attended)
        return hidden + block.fc2(block.activation_fn(block.fc1(block.final_layer_norm(hidden))))

    def finish(self, hidden: Tensor) -> Tensor:
        """The norm after all layers."""
        return self.encoder.layer_norm(hidden)


class Wav2Vec2Graph(SpeechGraph):
    """wav2vec 2.0, XLS-R, HuBERT or data2vec-audio."""

    def __init__(self, encoder: Any, layers: Sequence[int]) -> None:
        super().__init__(encoder, layers)
        self.normalise, self.stable = encoder.normalise, encoder.stable

    def embed(self, waveform: Tensor, waveform_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Convolutions over samples, projected, and what a convolution makes of their places."""
        lengths = waveform_mask.sum(1)
        samples = waveform.masked_fill(~waveform_mask, 0.0)
        hidden = masked_norm(samples[:, None], waveform_mask, 1e-7) if self.normalise else samples[:, None]
        for layer in self.encoder.feature_extractor.conv_layers:
            (kernel,), (stride,) = layer.conv.kernel_size, layer.conv.stride
            lengths = (lengths - kernel) // stride + 1
            hidden = _convolved(layer, hidden, lengths)
        mask = frame_mask(lengths, hidden.shape[2])
        projected = self.encoder.feature_projection(hidden.transpose(1, 2))
        # all but HuBERT also give what they projected
        frames = projected[0] if isinstance(projected, tuple) else projected
        frames = frames + self._places(frames, mask[:, None])
        return (frames if self.stable else self.encoder.encoder.layer_norm(frames)), mask

    def _places(self, frames: Tensor, mask: Tensor) -> Tensor:
        embed, hidden = self.encoder.encoder.pos_conv_embed, frames.transpose(1, 2)
        # data2vec-audio has several layers, each the whole of such a convolution
        for layer in getattr(embed, "layers", [embed]):
            hidden = layer.padding(layer.conv(hidden.masked_fill(~mask, 0.0)))
            if hasattr(layer, "layer_norm"):
                hidden = layer.layer_norm(hidden.transpose(1, 2)).transpose(1, 2)
            hidden = layer.activation(hidden)
        return hidden.transpose(1, 2)

    def block(self, block: Any, hidden: Tensor, attended: Tensor) -> Tensor:
        """Norm after attention and feed-forward layers, or before them in the stable form."""
        if not self.stable:
            hidden = block.layer_norm(hidden + attend(block.attention, hidden, attended))
            return block.final_layer_norm(hidden + block.feed_forward(hidden))
        hidden = hidden + attend(block.attention, block.layer_norm(hidden), attended)
        hidden = hidden + block.feed_forward(block.final_layer_norm(hidden))
        # the language adapters of MMS
        adapter = getattr(block, "adapter_layer", None)
        return hidden if adapter is None else hidden + adapter(hidden)

    def finish(self, hidden: Tensor) -> Tensor:
        """The norm after all layers of the stable form."""
        return self.encoder.encoder.layer_norm(hidden) if self.stable else hidden


class LogMelGraph(nn.Module):
    """The log-mel spectrogram that stands in the place of an encoder: one layer of 80 bands."""

    def __init__(self) -> None:
        super().__init__()
        window = torch.hamming_window(spectrogram.WINDOW)
        self.register_buffer("filters", log_mel.mel_filters(spectrogram.BANDS, spectrogram.FFT)[..., None])
        self.register_buffer("fourier", fourier_filters(spectrogram.FFT, window))
        self.filters: Tensor
        self.fourier: Tensor

    def forward(self, waveform: Tensor, waveform_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Arguments and result as of a SpeechGraph."""
        samples = waveform.masked_fill(~waveform_mask, 0.0)
        padded = pad(samples, (spectrogram.WINDOW // 2, spectrogram.WINDOW // 2))
        logs = conv1d(power_of(padded, self.fourier, spectrogram.HOP), self.filters).clamp(min=spectrogram.FLOOR)
        mask = frame_mask((waveform_mask.sum(1) // spectrogram.HOP).clamp(min=1), logs.shape[2])
        return logs.log10().transpose(1, 2).masked_fill(~mask[..., None], 0.0)[:, None], mask


def graph_of(encoder: SpeechEncoder, layers: Sequence[int]) -> nn.Module:
    """The graph of an encoder that `without_graph` finds nothing wrong with."""
    if isinstance(encoder, spectrogram.LogMel):
        return LogMelGraph().eval()
    of_any_type: Any = unpacked(encoder)
    family = of_any_type.model.config.model_type
    return (WhisperGraph if family == "whisper" else Wav2Vec2Graph)(of_any_type, layers).eval()


def without_graph(encoder: SpeechEncoder) -> str | None:
    """Why there is no graph of an encoder; None where there is one."""
    if isinstance(encoder, spectrogram.LogMel):
        return None
    if not hasattr(encoder, "model"):
        return "its values come from a program of its own and not from layers"
    of_any_type: Any = encoder
    config = of_any_type.model.config
    if config.model_type not in FAMILIES:
        return f"the family {config.model_type} has no graph here; these have: {', '.join(FAMILIES)}, log-mel"
    return "its places are batch-normalised" if getattr(config, "conv_pos_batch_norm", False) else None


def masked_norm(values: Tensor, mask: Tensor, epsilon: float) -> Tensor:
    """Zero mean and unit variance over the real places of each row and channel; padding comes out as zeros.

    Args:
        values: [batch, channel, place].
        mask: bool [batch, place].
        epsilon: what the variance is raised by.
    """
    real = mask[:, None]
    counts = real.sum(2, keepdim=True)
    mean = values.masked_fill(~real, 0.0).sum(2, keepdim=True) / counts
    about = (values - mean).masked_fill(~real, 0.0)
    return about / ((about * about).sum(2, keepdim=True) / counts + epsilon).sqrt()


def _convolved(layer: Any, hidden: Tensor, lengths: Tensor) -> Tensor:
    """One layer of the feature extractor, where it has a group norm over the frames of one clip only."""
    norm = getattr(layer, "layer_norm", None)
    if not isinstance(norm, nn.GroupNorm):
        return layer(hidden)
    hidden = layer.conv(hidden)
    normed = masked_norm(hidden, frame_mask(lengths, hidden.shape[2]), norm.eps)
    return layer.activation(normed * norm.weight[:, None] + norm.bias[:, None])


def attend(attention: Any, hidden: Tensor, attended: Tensor) -> Tensor:
    """Multi-head self-attention [batch, time, dim] to the frames that the mask [batch, 1, 1, time] names."""
    heads = attention.num_heads
    queries, keys, values = (
        project(hidden).unflatten(2, (heads, -1)).transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    mixed = scaled_dot_product_attention(queries, keys, values, attn_mask=attended, scale=attention.scaling)
    return attention.out_proj(mixed.transpose(1, 2).flatten(2))


def fourier_filters(points: int, window: Tensor) -> Tensor:
    """Filters [2 x (points / 2 + 1), 1, window] whose responses are real and imaginary part of each frequency."""
    places = torch.arange(len(window), dtype=torch.float64)
    angles = 2 * math.pi / points * torch.outer(torch.arange(points // 2 + 1, dtype=torch.float64), places)
    filters = torch.cat([angles.cos(), -angles.sin()]) * window.double()
    return filters.float()[:, None]


def power_of(samples: Tensor, fourier: Tensor, hop: int) -> Tensor:
    """Power [batch, frequency, frame] of samples [batch, time], by the filters of `fourier_filters`."""
    real, imaginary = conv1d(samples[:, None], fourier, stride=hop).chunk(2, dim=1)
    return real * real + imaginary * imaginary
