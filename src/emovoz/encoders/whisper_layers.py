"""The layers of Whisper's encoder (Radford et al. 2022), under the names that its checkpoints have."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from emovoz.encoders.layers import table, width_of_heads


@dataclass(frozen=True)
class WhisperSettings:
    """What a Whisper's config.json says of its encoder, by transformers' names and with its defaults."""

    model_type: str = "whisper"
    num_mel_bins: int = 80
    d_model: int = 384
    encoder_layers: int = 4
    encoder_attention_heads: int = 6
    encoder_ffn_dim: int = 1536
    max_source_positions: int = 1500
    activation_function: str = "gelu"

    @property
    def num_attention_heads(self) -> int:
        """What transformers also calls the heads of the encoder."""
        return self.encoder_attention_heads


class WhisperLayers(nn.Module):
    """Whisper's encoder as its weights lie in checkpoints; `WhisperSpeechEncoder` runs them.

    transformers has the same, and takes two seconds to be imported.

    Raises:
        ValueError: heads that do not divide the width.
    """

    def __init__(self, config: WhisperSettings) -> None:
        super().__init__()
        self.config = config
        width = config.d_model
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.embed_positions = table(config.max_source_positions, width)
        self.layers = nn.ModuleList(WhisperBlock(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(width)


class WhisperBlock(nn.Module):
    """One transformer layer, whose norms come before attention and before the feed-forward layers."""

    def __init__(self, config: WhisperSettings) -> None:
        super().__init__()
        width = config.d_model
        self.self_attn = WhisperAttention(width, config.encoder_attention_heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.activation_fn = _activation(config.activation_function)
        self.fc1 = nn.Linear(width, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)


class WhisperAttention(nn.Module):
    """The projections of multi-head self-attention; keys have no bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads, self.scaling = heads, width_of_heads(width, heads) ** -0.5
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)


def _activation(name: str) -> Callable[[Tensor], Tensor]:
    if name == "gelu":
        return nn.GELU()
    # no published Whisper has another
    from transformers.activations import ACT2FN

    function: Callable[[Tensor], Tensor] = ACT2FN[name]
    return function
