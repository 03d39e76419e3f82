"""The words of clips that come without."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from emovoz.corpus import Clip, load_audio, seconds_of
from emovoz.corpus.audio import load_parts
from emovoz.transcription.transcript import SAMPLE_RATE, Transcript

PIECE_SECONDS = 300.0
"""Of a longer recording, so much is recognised at a time, so that memory does not grow; a word may be cut there."""

Recognise = Callable[[np.ndarray, str | None], Transcript]
"""Gives the words in float32 samples [time] at 16 kHz, in this language where it is known; a `Transcriber` does."""


def lacks_words(clip: Clip) -> bool:
    """Whether a clip has sound, and no words were given with it."""
    return clip.audio is not None and not (clip.transcription or "").strip() and clip.transcription_fault is None


def transcript_of(clip: Clip, recognise: Recognise) -> Transcript:
    """The words in the audio of a clip.

    Raises:
        ClipError: the audio cannot be used.
    """
    assert clip.audio is not None
    seconds = seconds_of(clip.audio, start=clip.start, end=clip.end)
    if seconds <= PIECE_SECONDS:
        samples = load_audio(clip.audio, SAMPLE_RATE, start=clip.start, end=clip.end)
        return recognise(samples, clip.language)
    starts = np.arange(0, seconds, PIECE_SECONDS).tolist()
    first = clip.start or 0.0
    parts = [(first + at, first + min(at + PIECE_SECONDS, seconds)) for at in starts]
    found = [recognise(samples, clip.language) for samples in load_parts(clip.audio, SAMPLE_RATE, parts)]
    return joined(found, starts)


def joined(transcripts: Sequence[Transcript], starts: Sequence[float]) -> Transcript:
    """Transcripts of pieces as one of the whole, in the language that was told first.

    Args:
        transcripts: in order of time.
        starts: of each piece, seconds.
    """
    words = [
        replace(word, start=round(word.start + at, 2), end=round(word.end + at, 2))
        for one, at in zip(transcripts, starts, strict=True)
        for word in one.words
    ]
    text = " ".join(one.text for one in transcripts if one.text)
    return Transcript(text, tuple(words), next((one.language for one in transcripts if one.language), None))


def with_words(clip: Clip, transcript: Transcript) -> Clip:
    """The clip with the words that were recognised, if any were."""
    if not transcript.text:
        return clip
    language = clip.language or transcript.language
    return replace(clip, transcription=transcript.text, word_times=transcript.word_times, language=language)
