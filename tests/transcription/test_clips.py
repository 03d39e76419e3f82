"""The words of clips, whoever recognises them."""

import numpy as np
import pytest

from emovoz import Clip, Waveform
from emovoz.errors import ClipError
from emovoz.transcription import Transcript, Word
from emovoz.transcription.clips import lacks_words, transcript_of, with_words

TONE = np.sin(np.arange(650 * 1000) / 3)


def counted(samples: np.ndarray, language: str | None) -> Transcript:
    """A recogniser that hears how many seconds there are, at their middle."""
    seconds = len(samples) / 16000
    return Transcript(f"{seconds:.0f}", (Word(f"{seconds:.0f}", seconds / 2, seconds, 1.0),), language or "es")


def test_a_long_recording_is_heard_in_pieces_and_its_words_told_from_its_start() -> None:
    clip = Clip("long", Waveform(TONE, 1000), start=20.0)
    found = transcript_of(clip, counted)
    assert (found.text, found.language) == ("300 300 30", "es")
    assert found.word_times == ((150.0, 300.0), (450.0, 600.0), (615.0, 630.0))


def test_of_a_part_only_the_part_is_heard_in_the_language_it_tells() -> None:
    clip = Clip("part", Waveform(TONE, 1000), start=10.0, end=14.0, language="ca")
    told = with_words(clip, transcript_of(clip, counted))
    assert (told.transcription, told.language, told.word_times) == ("4", "ca", ((2.0, 4.0),))


def test_what_cannot_be_heard_is_told() -> None:
    with pytest.raises(ClipError, match="silent"):
        transcript_of(Clip("mute", Waveform(np.zeros(16000), 16000)), counted)


@pytest.mark.parametrize(
    ("clip", "lacks"),
    [
        (Clip("a", Waveform(TONE, 1000)), True),
        (Clip("a", Waveform(TONE, 1000), transcription=" "), True),
        (Clip("a", Waveform(TONE, 1000), transcription="ya"), False),
        (Clip("a", transcription=None), False),
        (Clip("a", Waveform(TONE, 1000), transcription_fault="not UTF-8"), False),
    ],
)
def test_words_are_looked_for_where_there_is_sound_and_none_were_given(clip: Clip, lacks: bool) -> None:
    assert lacks_words(clip) is lacks


def test_no_words_change_nothing() -> None:
    clip = Clip("a", Waveform(TONE, 1000))
    assert with_words(clip, Transcript()) is clip
