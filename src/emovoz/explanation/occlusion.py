"""Clips of which something is hidden: in their audio, in their text, or in the features of either."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from emovoz.corpus import Clip, Waveform
from emovoz.explanation.judge import Features, Judge
from emovoz.model.config import NGRAMS

FADE_SECONDS = 0.01
QUIET = 10
"""Percentile of the levels of a clip's frames that counts as its background."""

Stretch = tuple[float, float]
"""(start, end), seconds from the start of the clip."""


def without_frames(frames: Tensor, seconds: float, stretches: Sequence[Stretch]) -> Tensor:
    """Features [layer, time, dim] without the frames of some stretches of a clip of so many seconds."""
    kept = torch.ones(frames.shape[1], dtype=torch.bool)
    for start, end in stretches:
        kept[round(start / seconds * len(kept)) : round(end / seconds * len(kept))] = False
    return frames[:, kept]


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
    """Root mean square of the quietest tenth of the frames of 20 ms."""
    size = max(1, rate // 50)
    frames = samples[: len(samples) // size * size].reshape(-1, size) if len(samples) >= size else samples[None]
    return float(np.percentile(np.sqrt((frames**2).mean(1)), QUIET))


def clip_with_silence(clip: Clip, samples: np.ndarray, rate: int, stretches: Sequence[Stretch], seed: int) -> Clip:
    """A clip's sound alone, some stretches of it silenced."""
    altered = Waveform(silenced(samples, rate, stretches, seed), rate)
    return replace(clip, audio=altered, start=None, end=None, transcription=None, word_times=None)


def clip_without_words(clip: Clip, words: Sequence[str], hidden: Collection[int]) -> Clip:
    """A clip's words alone, without some of them."""
    kept = " ".join(word for i, word in enumerate(words) if i not in hidden)
    return replace(clip, audio=None, start=None, end=None, transcription=kept, word_times=None)
