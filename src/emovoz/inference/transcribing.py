"""Words recognised on the way to a prediction, for clips that come without."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from emovoz.corpus.clip import Clip
from emovoz.errors import ClipError
from emovoz.inference.prediction import Prediction, Predictor
from emovoz.transcription.clips import Recognise, lacks_words, transcript_of, with_words
from emovoz.transcription.transcript import Transcript


def transcribing(predictor: Predictor, recognise: Recognise) -> Predictor:
    """The same predictor, told the words that are recognised in each clip that comes without.

    Its predictions have them as `words`, and as `transcription` also where the model reads none.
    """

    def predict(clips: Iterable[Clip]) -> Iterator[Prediction]:
        found: deque[Transcript | None] = deque()
        for prediction in predictor(_worded(clips, recognise, found)):
            transcript = found.popleft()
            yield prediction if transcript is None else _told(prediction, transcript)

    return predict


def _worded(clips: Iterable[Clip], recognise: Recognise, found: deque[Transcript | None]) -> Iterator[Clip]:
    """The clips with their words; what was recognised in each is put at the end of `found`."""
    for clip in clips:
        transcript = None
        # what is wrong with a clip is told where it is judged
        with suppress(ClipError):
            transcript = transcript_of(clip, recognise) if lacks_words(clip) else None
        found.append(transcript)
        yield clip if transcript is None else with_words(clip, transcript)


def _told(prediction: Prediction, transcript: Transcript) -> Prediction:
    if prediction.error is not None:
        return prediction
    text = transcript.text or None
    return replace(prediction, transcription=text, words=transcript.words, language=transcript.language)
