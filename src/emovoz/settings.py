"""The sections of a recipe: every setting, typed, with its meaning and its default."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

Fraction = Annotated[float, Field(ge=0, lt=1)]
Chance = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Settings that belong together; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _absolute(place: str) -> str:
    """A local directory by its full path, so that a saved recipe works from anywhere."""
    return str(Path(place).resolve()) if place and Path(place).is_dir() else place


def _layers(given: object) -> str | list[int]:
    if isinstance(given, str) and (given in ("all", "last") or re.fullmatch(r"every ([2-9]|[1-9]\d+)", given)):
        return given
    return _numbers(given, "a list of layers, each once, counted from 0 (the embedding output); all, last, or every N")


def _kept_layers(given: object) -> str | list[int]:
    wanted = "used, all, or a list of layers, each once, counted from 0 (the embedding output)"
    return str(given) if given in ("used", "all") else _numbers(given, wanted)


def _numbers(given: object, wanted: str) -> list[int]:
    numbers = given if isinstance(given, list) else []
    sound = all(type(number) is int and number >= 0 for number in numbers)
    if not numbers or not sound or len(set(numbers)) < len(numbers):
        raise ValueError(f"give {wanted}")
    return numbers


def _absolute_if_there(place: str) -> str:
    """The full path of a folder or file, so that a saved recipe works from anywhere."""
    return str(Path(place).resolve()) if place and Path(place).exists() else place


def _rising(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] > interval[1]:
        raise ValueError("give the lower end first")
    return interval


Layers = Annotated[str | list[int], PlainValidator(_layers)]
"""Numbers of hidden states; or `all`, the `last`, or `every N`, counted from the last."""
EncoderName = Annotated[str, AfterValidator(_absolute)]
Source = Annotated[str, AfterValidator(_absolute_if_there)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Interval = Annotated[tuple[Finite, Finite], AfterValidator(_rising)]
Factor = Annotated[float, Field(ge=0.5, le=2)]


class Lora(Section):
    """Low-rank adapters that are tuned inside an encoder (LoRA, Hu et al. 2021), in queries and values.

    Attributes:
        last: how many transformer layers are tuned, counted down from the highest hidden state used; those below stay
            frozen and stored.
        rank, alpha, dropout: of the adapters; what they add is multiplied by alpha / rank.
        learning_rate: of the adapters.
    """

    last: Count = 2
    rank: Count = 8
    alpha: Positive = 16.0
    dropout: Fraction = 0.0
    learning_rate: Positive = 1e-4


class Speech(Section):
    """How the audio is encoded.

    Attributes:
        model: short name, local directory or hub id of the encoder.
        layers: hidden states used: a list of numbers, 0 being the embedding output; `all`, the `last`, or `every N`
            (the last, the Nth before it and so on).
        lora: tune adapters inside the encoder; none by default.
    """

    model: EncoderName
    layers: Layers = "all"
    lora: Lora | None = None


class Text(Section):
    """How the words are encoded.

    Attributes:
        model: short name, local directory or hub id of the encoder.
        layers: hidden states used: a list of numbers, 0 being the embedding output; `all`, the `last`, or `every N`
            (the last, the Nth before it and so on).
        prefix: put before every text; by default what the known encoder was trained with.
        lora: tune adapters inside the encoder; none by default.
    """

    model: EncoderName
    layers: Layers = "all"
    prefix: str | None = None
    lora: Lora | None = None


class Features(Section):
    """How features are kept between encoders and head.

    Attributes:
        layers: hidden states kept beside those used, so that another choice of layers has nothing to encode: none
            (`used`), `all`, or a list, of which each encoder keeps those it has.
        stride: frames of speech averaged into one; k makes the features of the audio k times smaller.
        precision: `float16`, a layer beyond its range staying in float32, or `float32` for all.
        cache: keep features in the store; without it, clips are encoded whenever they are needed, in every epoch too
            where the head learns before pooling.
    """

    layers: Annotated[str | list[int], PlainValidator(_kept_layers)] = "used"
    stride: Annotated[int, Field(ge=1, le=100)] = 1
    precision: Literal["float16", "float32"] = "float16"
    cache: bool = True


class Effect(Section):
    """An effect on the waveform.

    Attributes:
        probability: of the effect in a view.
    """

    probability: Chance = 0.5


class Speed(Effect):
    """Play faster or slower, pitch and all (Ko et al. 2015).

    Attributes:
        probability: of the effect in a view.
        factors: one of which is drawn.
    """

    factors: Annotated[list[Factor], Field(min_length=1)] = [0.9, 1.1]


class Tempo(Effect):
    """Speak faster or slower at the same pitch.

    Attributes:
        probability: of the effect in a view.
        range: of the factor; above 1 is faster.
    """

    range: Annotated[tuple[Factor, Factor], AfterValidator(_rising)] = (0.9, 1.1)


class Reverb(Effect):
    """Put the voice into a room.

    Attributes:
        probability: of the effect in a view.
        folder: of impulse responses (audio files, of which the first channel is used); by default rooms are simulated.
    """

    folder: Source | None = None


class Noise(Effect):
    """Add background noise over the whole clip.

    Attributes:
        probability: of the effect in a view.
        source: folder whose subfolders are kinds of noise (`noise`, `speech`, `music`), or a list of such files (CSV
            with the columns `path` and `kind`); a view draws a kind first, then a file of it. By default white, pink
            or brown noise is made, of the kind `noise`.
        snr_db: signal-to-noise ratio of each kind, dB, from which one is drawn evenly.
    """

    source: Source | None = None
    snr_db: Annotated[dict[str, Interval], Field(min_length=1)] = {
        "noise": (15, 25),
        "speech": (15, 25),
        "music": (15, 20),
    }


class Gain(Effect):
    """Make louder or softer.

    Attributes:
        probability: of the effect in a view.
        db: range of the gain, dB.
    """

    db: Interval = (-6, 6)


class SpecAugment(Section):
    """Hide stretches of time and bands of features behind the clip's mean (SpecAugment, Park et al. 2019).

    Attributes:
        time_masks, time_share: how many stretches, and how long each is at most, in shares of the clip.
        band_masks, band_share: how many bands, and how wide each is at most, in shares of the width.
    """

    time_masks: Annotated[int, Field(ge=0)] = 2
    time_share: Fraction = 0.1
    band_masks: Annotated[int, Field(ge=0)] = 2
    band_share: Fraction = 0.1


class Augmentation(Section):
    """What training shows in the place of a clip as it is; evaluation always sees the whole clip.

    Effects on the waveform are made once: every training clip is also encoded as `views` altered copies. All else is
    done to stored features, anew in every epoch. Seed, epoch and clip decide what happens.

    Attributes:
        views: altered copies of each clip, long recordings left out; each goes through every effect named, in this
            order, with its probability. Where chance takes none of them, one is drawn by these probabilities.
        probability: chance that an epoch shows one of the views and not the clip itself.
        seed: of the views; it is not the seed of training, so that runs with other seeds share them.
        speed, tempo, reverb, noise, gain: effects of the views; none that is not named.
        crop: what is cut where `crop_seconds` is set: stored `features`, which were encoded in the context of the
            whole clip; or the `waveform` of every view, encoded without that context, as in the published system.
        crop_seconds: show a random stretch of this length. Needs a head that learns before pooling, unless it is the
            waveform that is cut; others see each clip as one vector, made once.
        crop_words: show only the words whose middle is inside the crop, where the manifest has their times (column
            `word_times`); clips without times keep all their words.
        padding: what becomes of clips shorter than the crop: `zero` leaves them as they are, for zeros are masked;
            `repeat` repeats their frames (or the waveform, where that is cut) up to the crop, and these count.
        spec_augment: hide stretches and bands of the speech features.
        mixup: mix every clip with another, features and labels, in shares from Beta(mixup, mixup) (Zhang et al.
            2018); 0 mixes nothing.
        modality_dropout: chance that a clip with both modalities is shown without one of them.
    """

    views: Annotated[int, Field(ge=0, le=100)] = 0
    probability: Chance = 0.5
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    speed: Speed | None = None
    tempo: Tempo | None = None
    reverb: Reverb | None = None
    noise: Noise | None = None
    gain: Gain | None = None
    crop: Literal["features", "waveform"] = "features"
    crop_seconds: Positive | None = None
    crop_words: bool = False
    padding: Literal["zero", "repeat"] = "zero"
    spec_augment: SpecAugment | None = None
    mixup: NotNegative = 0.0
    modality_dropout: Fraction = 0.0

    @property
    def effects(self) -> dict[str, Effect]:
        """The effects on the waveform, in the order in which they are applied."""
        named = {name: getattr(self, name) for name in ("speed", "tempo", "reverb", "noise", "gain")}
        return {name: effect for name, effect in named.items() if effect is not None}


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
            as one of them, India et al. 2021), `mean`, `mean_std` (and standard deviation), `attentive_statistics`
            (both, weighted by a small network, Okabe et al. 2018) or `max`.
        pooling_heads: of the two multi-head poolings.
        fusion: `time` concatenates the branches along time before the sequence layer, `time_after` after it, and both
            pool once; `pooled` pools each branch and puts the vectors side by side, `pooled_attention` pools the
            vectors again by attention, `gated` mixes them by a learned gate (Arevalo et al. 2017); `cross_attention`
            lets the frames of each branch attend to the other's before they are pooled. For a modality that a clip
            lacks stands a learned vector; `pooled_attention` and `gated` go by the other alone.
        standardise: scale every pooled value by its mean and deviation over the training clips; needs pooling with
            nothing to learn before it (layers concatenated, no layer norm, no width, mean, mean_std or max). Where an
            encoder is tuned, they are measured before it is.
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
        "attentive_statistics",
        "max",
    ] = "attention"
    pooling_heads: Count = 4
    fusion: Literal["time", "time_after", "pooled", "pooled_attention", "gated", "cross_attention"] = "time"
    standardise: bool = False
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
            f"model.pooling {self.pooling}": self.pooling not in ("mean", "mean_std", "max"),
            f"model.fusion {self.fusion}": branches > 1 and self.fusion in ("time", "time_after", "cross_attention"),
        }
        return ", ".join(name for name, learns in learning.items() if learns) or None


class Training(Section):
    """How the head is fitted.

    Attributes:
        method: `gradient` or `logistic_regression` (closed form, on the pooled vectors).
        seed: decides initial weights, order and dropout; the same seed gives the same result.
        epochs, batch_size: of fitting by gradient.
        accumulation: batches that make one step together, as one batch as large would, at the memory of each.
        optimiser: `adamw`, `adam`, `sgd` or `rmsprop`.
        learning_rate, weight_decay: of the optimiser; only matrices decay.
        layer_learning_rate: of the layer weights, which do not decay.
        momentum: of sgd and rmsprop.
        schedule: of the learning rate: `linear` or `cosine` to zero, `plateau`, which needs dev clips, or none.
        warmup: share of the steps in which the rate rises from zero.
        plateau_factor, plateau_patience: on plateau, what the rate is multiplied by at this many validations in a row
            without a better dev macro-F1; then the count starts again.
        gradient_clip: largest norm of the gradient; 0 clips nothing.
        precision: `float32`, or `bfloat16` where the device computes in it; weights and dev scores stay in float32.
        loss: `cross_entropy` or `focal` (Lin et al. 2017); the dev loss is the plain cross-entropy always.
        focal_gamma: exponent of the focal loss.
        class_weights: weight every class by its `inverse` frequency, by its `effective` number of clips (Cui et al.
            2019), or not at all; their scale does not matter, for the loss is the weighted mean.
        effective_beta: of the effective number.
        label_smoothing: share of the target that is spread over all labels (Szegedy et al. 2016).
        logit_adjustment: how much of the log frequency of the labels is added to the logits in training (tau of Menon
            et al. 2021); 0 adds nothing. It does what class weights do: meant for `class_weights` none.
        sampling: show every clip once an epoch (`shuffled`), or draw as many clips of every label (`balanced`), as many
            in all; labels shown equally often weigh the same.
        validate_every: steps between two validations, and one after the last; by default one after each epoch.
        keep: the `best` state by dev macro-F1, or the `last`, for which dev clips are only a measurement.
        patience: stop after this many validations without a better dev macro-F1; 0 never stops.
        dev_fraction: share held out of the training data as dev clips when none are given. They choose the state
            where `keep` is best; where it is last, they are scored first and then trained on like the others.
        thresholds: fit a threshold a label on the dev clips: the label whose probability is the largest multiple of its
            threshold is the decision. All stay equal, which changes nothing, unless that helps on dev clips left out.
        regularisation: inverse strength `C` of logistic regression.
    """

    method: Literal["gradient", "logistic_regression"] = "gradient"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    epochs: Count = 30
    batch_size: Count = 32
    accumulation: Count = 1
    optimiser: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    learning_rate: Positive = 1e-3
    layer_learning_rate: Positive = 1e-2
    weight_decay: NotNegative = 0.01
    momentum: Fraction = 0.9
    schedule: Literal["linear", "cosine", "plateau", "none"] = "linear"
    warmup: Fraction = 0.0
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.9
    plateau_patience: Count = 10
    gradient_clip: NotNegative = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: NotNegative = 2.0
    class_weights: Literal["inverse", "effective", "none"] = "inverse"
    effective_beta: Fraction = 0.999
    label_smoothing: Fraction = 0.0
    logit_adjustment: NotNegative = 0.0
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    validate_every: Count | None = None
    keep: Literal["best", "last"] = "best"
    patience: Annotated[int, Field(ge=0)] = 0
    dev_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.15
    thresholds: bool = False
    regularisation: Positive = 1.0

    @property
    def chooses_epoch(self) -> bool:
        """Whether dev clips decide which state is kept."""
        return self.method == "gradient" and self.keep == "best"


class Tracking(Section):
    """Where the course of a training is told while it runs; nowhere by default.

    Every fit is a run, named after recipe, seed and fold. What these tools take from the environment, such as
    WANDB_MODE, WANDB_PROJECT or MLFLOW_TRACKING_URI, comes first. A training that is resumed begins a new run.

    Attributes:
        tool: `tensorboard`, `wandb` or `mlflow` (the extra `tracking`), or none.
        project: of wandb; experiment of mlflow.
        account: of wandb: entity; by default that of whoever is logged in.
        folder: where tensorboard and wandb write; what mlflow writes to, a folder or an address (`http://...`).
    """

    tool: Literal["none", "tensorboard", "wandb", "mlflow"] = "none"
    project: str = "emovoz"
    account: str | None = None
    folder: str = "emovoz-runs"


class Evaluation(Section):
    """How scores are given.

    Attributes:
        bootstrap: resamples behind every 95 % interval.
        seed: of the resampling.
    """

    bootstrap: Annotated[int, Field(ge=100)] = 2000
    seed: Annotated[int, Field(ge=0)] = 0


def layer_numbers(layers: str | list[int], count: int) -> list[int]:
    """The hidden states that a setting means for an encoder that has so many.

    >>> layer_numbers("every 3", 9), layer_numbers("last", 9), layer_numbers([2, 3], 9)
    ([2, 5, 8], [8], [2, 3])
    """
    if isinstance(layers, list):
        return list(layers)
    if layers == "last":
        return [count - 1]
    step = int(layers.removeprefix("every ")) if layers != "all" else 1
    return list(range((count - 1) % step, count, step))


def default_of(section: type[Section], name: str) -> Any:
    """What a setting is where nothing is said."""
    fields: Mapping[str, Any] = section.model_fields
    return fields[name].default
