"""Where in a clip its words are said, so that a crop of the speech can show its own words only."""

import math
from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from emovoz.corpus import Clip, Corpus, seconds_of
from emovoz.corpus.word_times import word_times_fault
from emovoz.encoders import TextEncoder
from emovoz.errors import ClipError, InputError
from emovoz.features import ClipFeatures, FrozenEncoders


def word_places(corpus: Corpus, encoders: FrozenEncoders) -> list[Tensor | None]:
    """For each clip, where the word is said that each token of its text features belongs to.

    Returns:
        The middle of the word [token], in shares of the clip: 0 is its start, 1 its end. NaN for tokens of no word,
        special ones and those of a prefix; None for a clip without audio, words or their times.

    Raises:
        InputError: times that do not fit the words, or no clip with times.
    """
    if all(clip.word_times is None for clip in corpus):
        raise InputError(
            "augmentation.crop_words: no clip has word times; give them in the manifest's column word_times, "
            "or set augmentation.crop_words=false"
        )
    faults = {clip.describe(): word_times_fault(clip.word_times or (), clip.transcription) for clip in _timed(corpus)}
    if any(faults.values()):
        raise InputError(f"{name}: {fault}" for name, fault in faults.items() if fault)
    encoder = encoders.branches["text"].encoder
    assert isinstance(encoder, TextEncoder)
    return [_places(clip, encoder) for clip in corpus]


def words_between(features: ClipFeatures, places: Tensor, start: float, end: float) -> ClipFeatures:
    """The clip with the tokens of those words whose middle lies from `start` to before `end`, shares of the clip.

    Tokens of no word stay. A clip of whose words none lies there has no words, as one without a transcription.
    """
    known = features.by_modality
    if "text" not in known:
        return features
    inside = (places >= start) & (places < end)
    if not inside.any():
        return ClipFeatures({name: values for name, values in known.items() if name != "text"})
    return ClipFeatures({**known, "text": known["text"][..., inside | places.isnan(), :]})


def _timed(corpus: Corpus) -> Sequence[Clip]:
    return [clip for clip in corpus if clip.word_times is not None]


def _places(clip: Clip, encoder: TextEncoder) -> Tensor | None:
    if not clip.word_times or clip.audio is None:
        return None
    # what is wrong with the audio is told where it is encoded
    with suppress(ClipError):
        seconds = seconds_of(clip.audio, start=clip.start, end=clip.end)
        # an aligner may put a last word a little beyond the end
        middles = [min((start + end) / 2 / seconds, math.nextafter(1, 0)) for start, end in clip.word_times]
        words = encoder.words(clip.transcription or "")
        return torch.tensor([math.nan if word is None else middles[word] for word in words], dtype=torch.float64)
    return None
