"""Words recognised by the packaged Whisper base."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emovoz import Corpus, InputError
from emovoz.corpus import load_audio
from emovoz.corpus.transcripts import normalised
from emovoz.corpus.word_times import word_times_fault
from emovoz.transcription import Transcriber
from emovoz.transcription.transcriber import _in_time, _repeats_itself, _words
from helpers import SHARED

pytest.importorskip("faster_whisper", reason="the extra asr is not installed")
from faster_whisper.transcribe import Segment, get_compression_ratio

ELICITED = SHARED / "spanish-elicited" / "audio" / "s00_anger_01.flac"


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber.load()


@pytest.mark.skipif(not ELICITED.is_file(), reason="the development data is not beside the project")
def test_a_person_is_understood_word_for_word_and_at_the_times_told(transcriber: Transcriber) -> None:
    samples = load_audio(ELICITED)
    found = transcriber(samples)
    assert normalised(found.text) == normalised("El médico dijo a tu padre que no tome más vino.")
    assert found.language == "es"
    assert [word.text for word in found.words] == found.text.split()
    assert all(0 < word.probability <= 1 for word in found.words)
    assert word_times_fault(found.word_times or (), found.text, len(samples) / 16000) is None
    # what is heard from where a word ends is what follows it
    rest = transcriber(samples[round(16000 * found.words[5].end) :], "es")
    assert normalised(rest.text) == ("que", "no", "tome", "mas", "vino")


def test_a_demo_clip_is_recognised_the_same_each_time(transcriber: Transcriber, demo: Corpus) -> None:
    (clip,) = (clip for clip in demo if clip.id == "voice05_joy_2.ogg")
    assert clip.audio is not None
    found = transcriber(load_audio(clip.audio), "es")
    assert normalised(found.text) == normalised("Dijo que sí, nos casamos en mayo.")
    assert transcriber(load_audio(clip.audio), "es-MX") == found


def test_nothing_is_heard_in_silence_and_noise(transcriber: Transcriber) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    assert transcriber(np.zeros(16000, np.float32)).text == ""
    assert transcriber(noise, "es").words == ()
    assert transcriber(noise[:400], "es").language is None


def test_an_unknown_language_is_refused(transcriber: Transcriber) -> None:
    with pytest.raises(InputError, match="language 'spanish': whisper-base knows it not"):
        Transcriber(transcriber.model, transcriber.name, "spanish")


def test_words_are_what_blanks_separate_in_order_and_within_the_clip() -> None:
    def piece(word: str, start: float, end: float) -> Any:
        return SimpleNamespace(word=word, start=start, end=end, probability=end)

    given = [piece(" el", 0.1, 0.2), piece(" 40", 0.3, 0.4), piece("%", 0.4, 0.5), piece(" ya", 0.2, 1.9)]
    words = list(_in_time(_words(given, apart=True), seconds=0.8))
    assert [(word.text, word.start, word.end, word.probability) for word in words] == [
        ("el", 0.1, 0.2, 0.2),
        ("40%", 0.3, 0.5, 0.4),
        ("ya", 0.3, 0.8, 1.9),
    ]
    assert [word.text for word in _words([piece("好", 0, 1), piece("的", 1, 2)], apart=False)] == ["好", "的"]


def test_a_segment_that_repeats_itself_is_caught() -> None:
    assert _repeats_itself(_segment(" Y luego" + " en el centro" * 5))
    assert _repeats_itself(_segment(" J" + "a" * 200))
    assert not _repeats_itself(_segment(" No, no, no, me voy a mi casa."))


def _segment(text: str) -> Segment:
    ratio = get_compression_ratio(text)
    return Segment(0, 0, 0.0, 1.0, text, [], -0.5, ratio, 0.1, [], 0.0)
