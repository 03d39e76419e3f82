"""The encoder of Whisper (Radford et al. 2022), run on clips as long as they are."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import gelu, scaled_dot_product_attention

from emovoz.corpus.audio import RESAMPLER
from emovoz.encoders import log_mel
from emovoz.encoders.fingerprint import architecture, fingerprint, weights_digest
from emovoz.encoders.placement import PRECISION, compute_device
from emovoz.encoders.pretrained import load_frozen
from emovoz.encoders.speech import SpeechEncoder

FEWEST_ROWS = 32
"""Below some 20 rows matrix multiplication takes another path and rounds differently; short clips are filled up."""


class WhisperSpeechEncoder(SpeechEncoder):
    """Whisper's encoder without the padding to 30 s: five to ten times faster on short clips.

    The library's forward insists on 30 s and takes no mask, so its layers are run here. The clips of a batch are
    laid end to end, never padded: convolutions and attention see one clip at a time, everything else works frame
    by frame. A clip's features are therefore the same to the bit alone and in any company.

    Args:
        directory: a Hugging Face directory with any Whisper model or with its encoder alone.
    """

    def __init__(self, directory: Path) -> None:
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        self.device = compute_device()
        self.model: Any = load_frozen(
            WhisperEncoder,
            directory,
            self.device,
            rename={r"^(model\.)?encoder\.": ""},
            ignore=("decoder.", "proj_out."),
        )
        config = self.model.config
        self.filters = log_mel.mel_filters(config.num_mel_bins).to(self.device)
        self.sample_rate = log_mel.SAMPLE_RATE
        self.dim = config.d_model
        self.layers = config.encoder_layers + 1
        self.frame_rate = log_mel.SAMPLE_RATE / log_mel.HOP / 2
        self.window_frames = config.max_source_positions
        self.overlap_frames = self.window_frames // 6
        self.fingerprint = fingerprint(
            weights_digest(self.model),
            architecture=architecture(config),
            mode="unpadded",
            windows=(self.window_frames, self.overlap_frames),
            resampler=RESAMPLER,
            mel=(config.num_mel_bins, log_mel.WINDOW, log_mel.HOP, log_mel.CEILING),
            backend="torch",
            precision=str(PRECISION),
        )

    @torch.inference_mode()
    def _encode_batch(self, waveforms: list[np.ndarray], layers: list[int]) -> list[Tensor]:
        clips = [self._embed(waveform) for waveform in waveforms]
        lengths = [len(clip) for clip in clips]
        filler = clips[0].new_zeros(max(0, FEWEST_ROWS - sum(lengths)), self.dim)
        hidden = torch.cat([*clips, filler])
        kept = {0: hidden}
        for i, layer in enumerate(self.model.layers[: max(layers)], start=1):
            hidden = self._layer(layer, hidden, [*lengths, len(filler)])
            kept[i] = self.model.layer_norm(hidden) if i == len(self.model.layers) else hidden
        states = torch.stack([kept[i][: sum(lengths)] for i in layers])
        return list(states.split(lengths, dim=1))

    def _embed(self, waveform: np.ndarray) -> Tensor:
        """The embedding output [time, dim] of one clip."""
        mel = log_mel.log_mel(torch.from_numpy(waveform).to(self.device), self.filters)
        frames = gelu(self.model.conv2(gelu(self.model.conv1(mel[None]))))[0].T
        return frames + self.model.embed_positions.weight[: len(frames)]

    def _layer(self, layer: Any, hidden: Tensor, lengths: list[int]) -> Tensor:
        """One transformer layer on the clips of a batch, laid end to end: [sum of lengths, dim]."""
        attention = layer.self_attn
        normed = layer.self_attn_layer_norm(hidden)
        heads = (attention.q_proj(normed) * attention.scaling, attention.k_proj(normed), attention.v_proj(normed))
        # [heads, sum of lengths, head dim], then cut into clips: no frame sees another clip's
        parts = [x.view(len(x), attention.num_heads, -1).transpose(0, 1).split(lengths, dim=1) for x in heads]
        mixed = [
            scaled_dot_product_attention(q[None], k[None], v[None], scale=1.0)[0]
            for q, k, v in zip(*parts, strict=True)
        ]
        hidden = hidden + attention.out_proj(torch.cat(mixed, dim=1).transpose(0, 1).flatten(1))
        return hidden + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(hidden))))
