"""Words recognised by the packaged Whisper base."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emovoz import Corpus, InputError
from emovoz.corpus import load_audio
from emovoz.corpus.transcripts import normalised
from emovoz.corpus.word_times import word_times_fault
from emovoz.transcription import Transcriber
from helpers import SHARED


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    pytest.importorskip("faster_whisper", reason="the extra asr is not installed")
    return Transcriber.load()


@pytest.mark.parametrize("name", ["s00_anger_01.flac"])
def test_a_person_is_understood_word_for_word_with_times(transcriber: Transcriber, name: str) -> None:
    path = SHARED / "spanish-elicited" / "audio" / name
    if not path.is_file():
        pytest.skip("the development data is not beside the project")
    samples = load_audio(path)
    found = transcriber(samples)
    assert normalised(found.text) == normalised("El médico dijo a tu padre que no tome más vino.")
    assert found.language == "es"
    assert [word.text for word in found.words] == found.text.split()
    assert all(0 < word.probability <= 1 for word in found.words)
    assert found.word_times is not None
    assert word_times_fault(found.word_times, found.text, len(samples) / 16000) is None
    # two halves of the sentence, cut where the times say, hold the words that they say
    cut = round(16000 * (found.words[5].end + found.words[6].start) / 2)
    assert normalised(transcriber(samples[cut:], "es").text)[-4:] == ("tome", "mas", "vino")[-4:] or normalised(
        transcriber(samples[cut:], "es").text
    )[-3:] == ("tome", "mas", "vino")
