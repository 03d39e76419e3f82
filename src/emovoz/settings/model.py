"""The head between the encoders' states and the labels."""

from typing import Annotated, Literal

from pydantic import Field

from emovoz.settings.base import Count, Fraction, Positive, Section


class Model(Section):
    """The head between the encoders' states and the labels.

    Attributes:
        layer_mix: `weighted` (one trainable weight a layer, softmaxed) or `concatenate` (side by side).
        layer_norm: normalise every frame of a branch before anything else.
        front_end: of the speech branch, for spectrograms: `vgg`, `resnet34`, `resnet101` (convolutions over time and
            frequency, trained with the head) or none. A long recording goes through in pieces of 50 to 100 s.
        vgg_channels: of each block of `vgg`; a block halves time and frequency.
        speech_adapter, text_adapter: after the front-end, to `width`: `linear` (Linear and LayerNorm), `nonlinear`
            (and ReLU), or none.
        width: bring every branch to this width, by its adapter or else a plain linear layer; by default only where
            fusion needs equal widths.
        sequence: the layer that relates the frames: `self_attention` (nothing to learn), `multi_head_attention`,
            `reduced_multi_head_attention` (the mean of the heads, as wide as one), `transformer` (blocks, each norm
            before its step) or none. In recordings over 100 s it relates the frames of each piece of 50 to 100 s.
        sequence_heads: of multi-head attention, of each transformer block and of cross-attention.
        sequence_head_width: of multi-head attention: heads `split` the width, or each is as wide as the `whole` of it.
        sequence_blocks, sequence_expansion, sequence_dropout: of the transformer: number, width of the feed-forward
            layer in multiples of the width, and dropout.
        pooling: from frames to one vector: `attention` (mean weighted by one query), `multi_head_attention` (one in
            each slice of the width, India et al. 2019), `double_multi_head_attention` (and one over the slices, as wide
            as one of them, India et al. 2021), `mean`, `mean_std` (and standard deviation), `mean_quantiles` (and 10th,
            50th and 90th percentile; of recordings over 100 s those of at most 4096 regular frames),
            `attentive_statistics` (mean and deviation, weighted by a small network, Okabe et al. 2018) or `max`.
        pooling_heads: of the two multi-head poolings.
        fusion: `time` concatenates the branches along time before the sequence layer, `time_after` after it, and both
            pool once; `pooled` pools each branch and puts the vectors side by side, `pooled_attention` pools the
            vectors again by attention, `gated` mixes them by a learned gate (Arevalo et al. 2017); `cross_attention`
            lets the frames of each branch attend to the other's before they are pooled; `late` adds the decisions of
            a classifier of each branch, fitted by itself in closed form. For a modality that a clip lacks stands a
            learned vector, in closed forms the average one; `pooled_attention` and `gated` go by the other alone.
        standardise: scale every pooled value by its mean and deviation over the training clips; needs pooling with
            nothing to learn before it (layers concatenated, no layer norm, no width, and mean, mean_std,
            mean_quantiles or max). Where an encoder is tuned, they are measured before it is.
        ngrams_weight: length of the TF-IDF vector of a clip's n-grams, beside which d standardised values have a length
            of the root of d.
        hidden_layers, hidden_width: of the classifier; the gate of `gated` is as wide.
        dropout: in the hidden layers.
        input_dropout: on the pooled vector.
    """

    layer_mix: Literal["weighted", "concatenate"] = "weighted"
    layer_norm: bool = True
    front_end: Literal["none", "vgg", "resnet34", "resnet101"] = "none"
    vgg_channels: Annotated[list[Count], Field(min_length=1)] = [8, 16, 32]
    speech_adapter: Literal["none", "linear", "nonlinear"] = "none"
    text_adapter: Literal["none", "linear", "nonlinear"] = "none"
    width: Count | None = None
    sequence: Literal[
        "none", "self_attention", "multi_head_attention", "reduced_multi_head_attention", "transformer"
    ] = "none"
    sequence_heads: Count = 4
    sequence_head_width: Literal["split", "whole"] = "split"
    sequence_blocks: Count = 1
    sequence_expansion: Positive = 4.0
    sequence_dropout: Fraction = 0.1
    pooling: Literal[
        "attention",
        "multi_head_attention",
        "double_multi_head_attention",
        "mean",
        "mean_std",
        "mean_quantiles",
        "attentive_statistics",
        "max",
    ] = "attention"
    pooling_heads: Count = 4
    fusion: Literal["time", "time_after", "pooled", "pooled_attention", "gated", "cross_attention", "late"] = "time"
    standardise: bool = False
    ngrams_weight: Positive = 50.0
    hidden_layers: Annotated[int, Field(ge=0)] = 1
    hidden_width: Count = 256
    dropout: Fraction = 0.1
    input_dropout: Fraction = 0.0

    def learns_before_pooling(self, branches: int) -> str | None:
        """The settings that give the head something to learn before pooling, None where there are none."""
        learning = {
            "model.layer_mix weighted": self.layer_mix == "weighted",
            "model.layer_norm true": self.layer_norm,
            f"model.front_end {self.front_end}": self.front_end != "none",
            f"model.speech_adapter {self.speech_adapter}": self.speech_adapter != "none",
            f"model.text_adapter {self.text_adapter}": self.text_adapter != "none",
            "model.width": self.width is not None,
            f"model.sequence {self.sequence}": self.sequence not in ("none", "self_attention"),
            f"model.pooling {self.pooling}": self.pooling not in ("mean", "mean_std", "mean_quantiles", "max"),
            f"model.fusion {self.fusion}": branches > 1 and self.fusion in ("time", "time_after", "cross_attention"),
        }
        return ", ".join(name for name, learns in learning.items() if learns) or None
