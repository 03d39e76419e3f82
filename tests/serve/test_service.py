"""What a service answers those who ask it in the same process, as the page does."""

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import pytest
import soundfile

from emovoz import Clip, Recognizer
from emovoz.serve import Service
from emovoz.serve.refusal import RequestError
from emovoz.serve.service import Upload
from emovoz.serve.settings import ServeSettings
from emovoz.transcription import Transcript, Word
from sounds import tone

TRANSCRIPT = Transcript("hoy fiesta", (Word("hoy", 0.1, 0.2, 0.9), Word("fiesta", 0.2, 0.4, 0.8)), "es")


@pytest.fixture(scope="module")
def service(untrained: Recognizer) -> Iterator[Service]:
    def recognise(samples: Any, language: str | None = None) -> Transcript:
        return TRANSCRIPT

    # what is recognised is of no interest here, but that it is told
    service = Service(untrained, ServeSettings(max_characters=50), recognise)  # type: ignore[arg-type]
    service.start()
    yield service
    service.close()


def asked(service: Service, text: str | None = None, **how: Any) -> Any:
    file = io.BytesIO()
    soundfile.write(file, tone(16000, 0.5), 16000, format="FLAC")
    file.seek(0)
    (answer,) = asyncio.run(service.answers([Upload("a.flac", file, text)], **how))
    return answer


def test_recognised_words_are_told_as_predict_tells_them(service: Service) -> None:
    answer = asked(service, transcribe=True).to_dict()
    assert answer["transcription"] == "hoy fiesta"
    assert answer["language"] == "es"
    assert [word["start"] for word in answer["words"]] == [0.1, 0.2]
    assert "words" not in asked(service, "otra cosa", transcribe=True).to_dict()


def test_whatever_is_asked_of_a_clip_has_the_recognised_words(service: Service) -> None:
    def how(clip: Clip) -> Clip:
        return clip

    assert asked(service, how=how, transcribe=True).transcription == "hoy fiesta"
    assert asked(service, how=how).transcription is None


def test_a_long_text_is_refused_whoever_gives_it(service: Service) -> None:
    with pytest.raises(RequestError, match="the text is too long: at most 50 characters"):
        asked(service, "palabra " * 10)
