"""Clips of which something is hidden: in their audio, in their text, or in the features of either."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from emovoz.corpus import Clip, Waveform, load_audio
from emovoz.encoders import SpeechEncoder
from emovoz.explanation.judge import Features, Judge
from emovoz.model.config import NGRAMS

FADE_SECONDS = 0.01
QUIET = 10
"""Percentile of the levels of a clip's frames that counts as its background."""
LEAST = 2e-5
"""Below a step of 16 bits: of some clips the background is nothing at all, which no recording holds."""

Stretch = tuple[float, float]
"""(start, end), seconds from the start of the clip."""


@dataclass(frozen=True)
class Sound:
    """The sound of a clip as its encoder takes it: samples [time] at a rate in Hz."""

    clip: Clip
    samples: np.ndarray
    rate: int

    @classmethod
    def of(cls, judge: Judge, clip: Clip) -> "Sound":
        """The sound of a clip that has one."""
        encoder = judge.encoders.branches["speech"].encoder
        assert isinstance(encoder, SpeechEncoder)
        assert clip.audio is not None
        samples = load_audio(clip.audio, encoder.sample_rate, start=clip.start, end=clip.end)
        return cls(clip, samples, encoder.sample_rate)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate

    def without(self, stretches: Sequence[Stretch], seed: int = 0) -> Clip:
        """The clip's sound alone, some stretches of it silenced; the seed is that of the noise."""
        altered = Waveform(silenced(self.samples, self.rate, stretches, seed), self.rate)
        return replace(self.clip, audio=altered, start=None, end=None, transcription=None, word_times=None)


def exchanged(frames: Tensor, others: Tensor, seconds: float, stretches: Sequence[Stretch]) -> Tensor:
    """Features [layer, time, dim] of a clip of so many seconds, of some stretches those of another."""
    mixed = frames.clone()
    for start, end in stretches:
        own = slice(round(start / seconds * frames.shape[1]), round(end / seconds * frames.shape[1]))
        mixed[:, own] = others[:, own].to(frames.dtype)
    return mixed


def without_words(judge: Judge, features: Features, words: Sequence[str], hidden: Collection[int]) -> Features:
    """Features of a clip whose text lacks some words: their tokens are taken out, and n-grams counted anew."""
    kept = " ".join(word for i, word in enumerate(words) if i not in hidden)
    changed = dict(features)
    for name in judge.of_modality(features, "text"):
        if name == NGRAMS:
            changed[name] = judge.encoders.branches[name].encoder.encode_each([kept])[0]
        else:
            places = token_words(judge, name, " ".join(words))
            changed[name] = features[name][:, torch.tensor([place not in hidden for place in places])]
    return changed


def token_words(judge: Judge, name: str, text: str) -> list[int | None]:
    """The word of each token of a text branch, None of special ones and of the prefix."""
    encoder = judge.encoders.branches[name].encoder
    assert hasattr(encoder, "words")
    found: list[int | None] = encoder.words(text)
    return found


def silenced(samples: np.ndarray, rate: int, stretches: Sequence[Stretch], seed: int) -> np.ndarray:
    """Samples [time] with noise as loud as their quietest tenth in the place of some stretches, faded in and out.

    Digital silence would be a sound of its own, which no recording holds.
    """
    share = np.zeros(len(samples), dtype=np.float32)
    for start, end in stretches:
        share[round(start * rate) : round(end * rate)] = 1.0
    fade = np.hanning(round(2 * FADE_SECONDS * rate) + 1).astype(np.float32)
    share = np.convolve(np.pad(share, len(fade) // 2, mode="edge"), fade / fade.sum(), mode="valid")
    noise = np.random.default_rng(seed).normal(0, background(samples, rate), len(samples)).astype(np.float32)
    return samples * (1 - share) + noise * share


def background(samples: np.ndarray, rate: int) -> float:
    """Root mean square of the quietest tenth of the frames of 20 ms, or what a recording holds at least."""
    size = max(1, rate // 50)
    frames = samples[: len(samples) // size * size].reshape(-1, size) if len(samples) >= size else samples[None]
    return max(LEAST, float(np.percentile(np.sqrt((frames**2).mean(1)), QUIET)))


def clip_without_words(clip: Clip, words: Sequence[str], hidden: Collection[int]) -> Clip:
    """A clip's words alone, without some of them."""
    kept = " ".join(word for i, word in enumerate(words) if i not in hidden)
    return replace(clip, audio=None, start=None, end=None, transcription=kept, word_times=None)
