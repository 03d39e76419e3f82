"""What training shows in the place of a clip as it is."""

from typing import Annotated, Literal

from pydantic import Field

from emovoz.settings.base import Chance, Factor, FactorRange, Fraction, Interval, NotNegative, Positive, Section, Source


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

    range: FactorRange = (0.9, 1.1)


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
    done to stored features, anew whenever a clip is shown. Seed, epoch and clip decide what happens.

    Attributes:
        views: altered copies of each clip, long recordings left out; each goes through every effect named, in this
            order, with its probability. Where chance takes none of them, one is drawn by these probabilities.
        probability: chance that an epoch shows one of the views and not the clip itself.
        seed: of the views; it is not the seed of training, so that runs with other seeds share them.
        speed, tempo, reverb, noise, gain: an effect of the views, off by default; `{}` switches it on as below.
        crop: what is cut where `crop_seconds` is set: stored `features`, which were encoded in the context of the
            whole clip; or the `waveform` of every view, encoded without that context, as in the published system.
        crop_seconds: show a random stretch of this length. Needs a head that learns before pooling, unless it is the
            waveform that is cut; others see each clip as one vector, made once.
        crop_words: show only the words whose middle is inside the crop, where the manifest has their times (column
            `word_times`); clips without times keep all their words.
        padding: what becomes of clips shorter than the crop: `zero` leaves them as they are, for zeros are masked;
            `repeat` repeats their frames (or the waveform, where that is cut) up to the crop, and these count.
        spec_augment: done to the speech features, off by default; `{}` switches it on as below.
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
