"""How clips are encoded, and how their features are kept."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emovoz.settings.base import Count, EncoderName, Fraction, KeptLayers, Layers, Positive, Section, Sizes


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
        lora: none by default; `{}` tunes them as below.
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
        lora: none by default; `{}` tunes them as below.
    """

    model: EncoderName
    layers: Layers = "all"
    prefix: str | None = None
    lora: Lora | None = None


class Ngrams(Section):
    """N-grams of the transcript, counted: words without an encoder, beside one or alone.

    What they weigh is learned with the head, from their TF-IDF; see `model.ngrams_weight`.

    Attributes:
        characters: fewest and most characters of an n-gram, which stays within a word and sees its borders; none
            counts no characters.
        words: fewest and most words of an n-gram, such as [1, 2]; none by default.
        buckets: places into which n-grams are hashed, of characters and of words each; training holds 4 bytes for each
            place of each clip in memory, and 20 while a closed form is fitted.
    """

    characters: Sizes | None = (2, 5)
    words: Sizes | None = None
    buckets: Annotated[int, Field(ge=2**8, le=2**20)] = 2**14

    @model_validator(mode="after")
    def _counts_something(self) -> "Ngrams":
        if self.characters is None and self.words is None:
            raise ValueError("give the sizes of n-grams of characters, or of words, or both")
        return self


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

    layers: KeptLayers = "used"
    stride: Annotated[int, Field(ge=1, le=100)] = 1
    precision: Literal["float16", "float32"] = "float16"
    cache: bool = True
