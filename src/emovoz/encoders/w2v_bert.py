"""w2v-BERT 2.0 (Barrault et al. 2023): a Conformer over filter banks."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from emovoz.encoders.end_to_end import OVERLAP_SECONDS, WINDOW_SECONDS, EndToEndEncoder, each
from emovoz.encoders.placement import compute_device
from emovoz.encoders.pretrained import load_frozen, preprocessor
from emovoz.encoders.wav2vec2 import UNUSED

HOP, WINDOW = 160, 400


class W2VBertSpeechEncoder(EndToEndEncoder):
    """w2v-BERT 2.0 on filter banks normalised window by window; an odd frame at the end is left out.

    Args:
        directory: a Hugging Face directory with the model, with or without the head it was trained with.
    """

    projections = ("self_attn.linear_q", "self_attn.linear_v")

    def __init__(self, directory: Path) -> None:
        from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertModel

        self.device = compute_device()
        optional = (*UNUSED, "intermediate_ffn.")
        self.model = load_frozen(Wav2Vec2BertModel, directory, self.device, optional=optional)
        if hasattr(self.model, "masked_spec_embed"):
            del self.model.masked_spec_embed
        self.model.adapter = self.model.intermediate_ffn = None
        self.blocks = self.model.encoder.layers
        if self.model.encoder.embed_positions is not None:
            # which keeps what it has made for a length until it is asked for another
            self.most_at_once = 1
        config = self.model.config
        settings = preprocessor(directory)
        bands, stride = int(settings.get("num_mel_bins", 80)), int(settings.get("stride", 2))
        self.sample_rate = int(settings.get("sampling_rate", 16000))
        self.filter_bank = SeamlessM4TFeatureExtractor(
            feature_size=bands, num_mel_bins=bands, sampling_rate=self.sample_rate, stride=stride
        )
        self.dim = config.hidden_size
        self.layers = config.num_hidden_layers + 1
        self.frame_rate = self.sample_rate / HOP / stride
        self.fewest_samples = WINDOW + (stride - 1) * HOP
        self.window_frames = round(WINDOW_SECONDS * self.frame_rate)
        self.overlap_frames = round(OVERLAP_SECONDS * self.frame_rate)
        self.made_ready(
            positions=(
                config.position_embeddings_type,
                config.left_max_position_embeddings,
                config.right_max_position_embeddings,
                config.rotary_embedding_base,
            ),
            filter_bank=(bands, stride, HOP, WINDOW),
            sample_rate=self.sample_rate,
        )

    def _embed(self, waveforms: list[np.ndarray]) -> list[Tensor]:
        return [self._embedded(waveform) for waveform in waveforms]

    def _embedded(self, waveform: np.ndarray) -> Tensor:
        banks = self.filter_bank(waveform, sampling_rate=self.sample_rate, pad_to_multiple_of=None, return_tensors="pt")
        return self.model.feature_projection(banks["input_features"].to(self.device))[0][0]

    def _block(self, block: Any, hidden: Tensor, lengths: list[int]) -> Tensor:
        hidden = hidden + 0.5 * block.ffn1(block.ffn1_layer_norm(hidden))
        hidden = hidden + each(lambda clip: self._attend(block, clip), block.self_attn_layer_norm(hidden), lengths)
        hidden = hidden + each(block.conv_module, hidden, lengths)
        return block.final_layer_norm(hidden + 0.5 * block.ffn2(block.ffn2_layer_norm(hidden)))

    def _attend(self, block: Any, clip: Tensor) -> Tensor:
        positions = self.model.encoder.embed_positions
        return block.self_attn(clip, relative_position_embeddings=None if positions is None else positions(clip))[0]
