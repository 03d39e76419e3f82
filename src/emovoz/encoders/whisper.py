"""The encoder of Whisper (Radford et al. 2022), run on clips as long as they are."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from emovoz.encoders import log_mel
from emovoz.encoders.end_to_end import EndToEndEncoder, attend
from emovoz.encoders.packed import convolution_gelu, linear_gelu
from emovoz.encoders.placement import compute_device, on_device
from emovoz.encoders.whisper_layers import WhisperLayers, WhisperSettings
from emovoz.weights import config_of, load_weights


class WhisperSpeechEncoder(EndToEndEncoder):
    """Whisper's encoder without the padding to 30 s: five to ten times faster on short clips.

    transformers' own forward insists on 30 s and takes no mask.

    Args:
        directory: a Hugging Face directory with any Whisper model or with its encoder alone.
    """

    projections = ("self_attn.q_proj", "self_attn.v_proj")

    def __init__(self, directory: Path) -> None:
        self.device = compute_device()
        config = config_of(WhisperSettings, directory)
        layers = load_weights(lambda: WhisperLayers(config), directory, within=r"(model\.)?(encoder\.)?")
        self.model = layers.to(self.device).requires_grad_(False)
        self.blocks = self.model.layers
        self.filters = log_mel.mel_filters(config.num_mel_bins).to(self.device)
        self.gelu = config.activation_function == "gelu"
        self.sample_rate = log_mel.SAMPLE_RATE
        self.dim = config.d_model
        self.layers = config.encoder_layers + 1
        self.frame_rate = log_mel.SAMPLE_RATE / log_mel.HOP / 2
        self.window_frames = config.max_source_positions
        self.overlap_frames = self.window_frames // 6
        self.made_ready(
            mel=(config.num_mel_bins, log_mel.WINDOW, log_mel.HOP, log_mel.CEILING),
        )

    def _embed(self, waveforms: list[np.ndarray]) -> list[Tensor]:
        # quiet sounds have powers that float16 does not know
        with torch.autocast(self.device.type, enabled=False):
            mels = [log_mel.log_mel(on_device(one, self.device), self.filters) for one in waveforms]
        # a row of zeros before and after each clip, which is what its ends see; so each begins at an even row
        spaced = torch.cat([pad(mel.T, (0, 0, 1, 1)) for mel in mels])
        lengths = [mel.shape[1] + 2 for mel in mels]
        hidden = convolution_gelu(self.model.conv1, pad(spaced, (0, 0, 1, 1)))
        ends = torch.tensor(lengths).cumsum(0)
        hidden[ends - 1] = 0.0
        hidden[ends - torch.tensor(lengths)] = 0.0
        # one more at the end, that every clip has as many
        hidden = pad(convolution_gelu(self.model.conv2, hidden), (0, 0, 0, 1))
        clips = [clip[:-1] for clip in hidden.split([length // 2 for length in lengths])]
        return [clip + self.model.embed_positions.weight[: len(clip)] for clip in clips]

    def _block(self, block: Any, hidden: Tensor, lengths: list[int]) -> Tensor:
        hidden = hidden + attend(block.self_attn, block.self_attn_layer_norm(hidden), lengths)
        normed = block.final_layer_norm(hidden)
        inner = linear_gelu(block.fc1, normed) if self.gelu else block.activation_fn(block.fc1(normed))
        return hidden + block.fc2(inner)

    def _last(self, hidden: Tensor) -> Tensor:
        return self.model.layer_norm(hidden)
