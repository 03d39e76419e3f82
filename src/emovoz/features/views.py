"""Views: altered copies of a clip, made once, encoded and kept like the clip itself."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from emovoz.corpus.audio import SHORTEST_SECONDS
from emovoz.errors import InputError
from emovoz.features.effects import add_noise, gain, reverberate, speed, tempo
from emovoz.features.pieces import Piece
from emovoz.features.surroundings import noise_of, rooms_of
from emovoz.randomness import clip_random
from emovoz.settings import Augmentation, Gain, Noise, Reverb, Speed, Tempo

_VERSION = 2
"""To be raised when the same settings are to give other samples."""


@dataclass(frozen=True)
class Effect:
    """One effect of a view.

    Attributes:
        probability: of the effect.
        alter: samples [time], their rate and a generator in, samples out.
        factor: from such a generator, how many times as fast the clip becomes.
        source: hash of the files it takes something from, or what it takes instead.
    """

    probability: float
    alter: Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
    factor: Callable[[np.random.Generator], float] = lambda random: 1.0
    source: str = ""


@dataclass(frozen=True)
class View:
    """One altered copy of every clip; seed, number and content of the clip decide what is done to it.

    Attributes:
        number: counted from 0.
        name: in the store; of all that decides the samples, but for the clip.
        seed: of all views.
        effects: by name, in the order in which they are applied.
        crop_seconds: how long a stretch is cut at random; None where the clip stays whole.
        repeats: whether a clip that is shorter is repeated up to that.
    """

    number: int
    name: str
    seed: int
    effects: Mapping[str, Effect]
    crop_seconds: float | None = None
    repeats: bool = False

    def of(self, samples: np.ndarray, rate: int, key: str) -> np.ndarray:
        """What becomes of a clip.

        Args:
            samples: float32 [time].
            rate: Hz.
            key: of the clip's content.

        Returns:
            float32 [time], of another length where speed or tempo have changed or a stretch was cut.
        """
        for name in self._drawn(key):
            samples = self.effects[name].alter(samples, rate, self._random(key, name))
        if self.crop_seconds is not None:
            samples = self._cut(samples, round(self.crop_seconds * rate), key)
        lacking = math.ceil(SHORTEST_SECONDS * rate) - len(samples)
        return np.pad(samples, (0, max(0, lacking))).astype(np.float32)

    def seconds(self, seconds: float, key: str) -> float:
        """How long a clip of this length becomes."""
        for name in self._drawn(key):
            seconds /= self.effects[name].factor(self._random(key, name))
        if self.crop_seconds is not None:
            seconds = self.crop_seconds if self.repeats else min(seconds, self.crop_seconds)
        return max(seconds, SHORTEST_SECONDS)

    def sized(self, piece: Piece) -> Piece:
        """A piece as long as it becomes; parts of long recordings stay as they are."""
        return piece if piece.is_part else replace(piece, size=self.seconds(piece.size, piece.key))

    def _drawn(self, key: str) -> list[str]:
        """The effects that a clip goes through: at least one, unless a stretch is cut."""
        drawn = [
            name
            for name, effect in self.effects.items()
            if self._random(key, f"whether {name}").random() < effect.probability
        ]
        if drawn or self.crop_seconds is not None:
            return drawn
        odds = np.array([effect.probability for effect in self.effects.values()])
        return [str(self._random(key, "one effect").choice(list(self.effects), p=odds / odds.sum()))]

    def _cut(self, samples: np.ndarray, length: int, key: str) -> np.ndarray:
        if len(samples) < length:
            return np.resize(samples, length) if self.repeats else samples
        start = int(self._random(key, "crop").integers(len(samples) - length + 1))
        return samples[start : start + length]

    def _random(self, key: str, purpose: str) -> np.random.Generator:
        return clip_random(self.seed, self.number, key, purpose)


def views_of(augmentation: Augmentation) -> tuple[View, ...]:
    """The views that a recipe asks for; the files they take noise and rooms from are read once, to be told apart.

    Raises:
        InputError: those files cannot be used, or what an effect needs is not installed; all of it at once.
    """
    if not augmentation.views:
        return ()
    effects = _effects(augmentation)
    crop = augmentation.crop_seconds if augmentation.crop == "waveform" else None
    repeats = crop is not None and augmentation.padding == "repeat"
    decides = {
        "version": _VERSION,
        "seed": augmentation.seed,
        "effects": {
            name: settings.model_dump(mode="json", exclude={"source", "folder"}) | {"source": effects[name].source}
            for name, settings in augmentation.effects.items()
        },
        "crop": [crop, repeats],
    }
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
    return tuple(
        View(number, f"view-{digest}-{number}", augmentation.seed, effects, crop, repeats)
        for number in range(augmentation.views)
    )


def _effects(augmentation: Augmentation) -> dict[str, Effect]:
    effects: dict[str, Effect] = {}
    faults: list[str] = []
    for name, settings in augmentation.effects.items():
        try:
            effects[name] = _EFFECTS[name](settings)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return effects


def _speed(settings: Speed) -> Effect:
    def factor(random: np.random.Generator) -> float:
        return settings.factors[int(random.integers(len(settings.factors)))]

    return Effect(settings.probability, lambda samples, rate, random: speed(samples, rate, factor(random)), factor)


def _tempo(settings: Tempo) -> Effect:
    _need("audiomentations", "augmentation.tempo")

    def factor(random: np.random.Generator) -> float:
        return float(random.uniform(*settings.range))

    return Effect(settings.probability, lambda samples, rate, random: tempo(samples, rate, factor(random)), factor)


def _reverb(settings: Reverb) -> Effect:
    if settings.folder is None:
        _need("pyroomacoustics", "augmentation.reverb without a folder of impulse responses")
    rooms = rooms_of(settings.folder)
    return Effect(
        settings.probability,
        lambda samples, rate, random: reverberate(samples, rooms.draw(rate, random)),
        source=rooms.digest,
    )


def _noise(settings: Noise) -> Effect:
    noises = noise_of(settings.source, settings.snr_db)

    def alter(samples: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
        kind, noise = noises.draw(len(samples), rate, random)
        return add_noise(samples, noise, float(random.uniform(*settings.snr_db[kind])))

    return Effect(settings.probability, alter, source=noises.digest)


def _gain(settings: Gain) -> Effect:
    return Effect(
        settings.probability, lambda samples, rate, random: gain(samples, float(random.uniform(*settings.db)))
    )


_EFFECTS: Mapping[str, Callable[[Any], Effect]] = {
    "speed": _speed,
    "tempo": _tempo,
    "reverb": _reverb,
    "noise": _noise,
    "gain": _gain,
}


def _need(package: str, setting: str) -> None:
    if find_spec(package) is None:
        raise InputError(f"{setting} needs the package {package}: pip install 'emovoz[augment]'")
