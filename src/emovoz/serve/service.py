"""Service: a recogniser that many ask at once."""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from emovoz.corpus import Clip
from emovoz.errors import ClipError
from emovoz.inference import Prediction, Recognizer
from emovoz.inference.inputs import seconds_heard
from emovoz.serve.batching import Batcher, Job
from emovoz.serve.decoding import decoded, suffix_of
from emovoz.serve.metrics import Metrics
from emovoz.serve.refusal import RequestError
from emovoz.serve.scratch import Scratch
from emovoz.serve.settings import ServeSettings
from emovoz.transcription import Transcriber
from emovoz.transcription.clips import lacks_words, transcript_of, with_words

DECODING = 2
"""Files decoded at once."""


@dataclass(frozen=True)
class Upload:
    """What somebody wants judged.

    Attributes:
        id: how the answer calls it.
        file: of audio, open for reading; None where there is only a text.
        text: what is said; None where it is not known.
    """

    id: str
    file: BinaryIO | None = None
    text: str | None = None


class Service:
    """A recogniser behind limits and a queue; all that is asked of it at once is judged together.

    Args:
        recognizer: what judges.
        settings: the limits.
        transcriber: what recognises words, where that is asked for.
    """

    def __init__(self, recognizer: Recognizer, settings: ServeSettings, transcriber: Transcriber | None = None) -> None:
        self.recognizer, self.settings, self.transcriber = recognizer, settings, transcriber
        self.metrics = Metrics(lambda: self.queue.waiting)
        self.queue = Batcher(self._judged, settings, self.metrics.judged)
        self.scratch = Scratch()
        self._decoders = ThreadPoolExecutor(DECODING, thread_name_prefix="emovoz-decode")
        # no more requests than these hold decoded audio that does not wait in the queue yet
        self._decoding = asyncio.Semaphore(DECODING)
        self._received = 0

    def start(self) -> None:
        """Begin to judge."""
        self.queue.start()

    def close(self) -> None:
        """Answer what was accepted, and leave nothing behind."""
        self.queue.close()
        self._decoders.shutdown()
        self.scratch.close()

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._received and self.queue.idle

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for a request, from before its body is received until it is answered.

        Raises:
            RequestError: there is none.
        """
        if self._received >= self.settings.max_waiting:
            raise RequestError(429, "too many are asking at once; try again", retry_after=self.queue.patience())
        self._received += 1
        try:
            yield
        finally:
            self._received -= 1

    def words(self) -> Transcriber:
        """What recognises words.

        Raises:
            RequestError: there is nothing that does.
        """
        if self.transcriber is None:
            raise RequestError(422, "this service recognises no words (it runs without the extra asr); send the text")
        return self.transcriber

    def timelines(self, *, transcribe: bool) -> Callable[[Clip], Any]:
        """What makes the timeline of a clip, its words recognised or not.

        Raises:
            RequestError: there is nothing that recognises words.
        """
        transcriber = self.words() if transcribe else None
        return lambda clip: self.recognizer.predict_timeline(clip, transcriber=transcriber)

    async def answers(
        self, uploads: Sequence[Upload], *, how: Callable[[Clip], Any] | None = None, transcribe: bool = False
    ) -> list[Any]:
        """What the recogniser says of each clip; of one that cannot be used, a prediction with an error.

        Given up by whoever asked (cancelled), what was not begun is not done.

        Args:
            uploads: the clips.
            how: what is asked of each clip, in the thread that judges; a prediction by default.
            transcribe: whether the words of clips without a text are recognised first.

        Raises:
            RequestError: too long, too many at once, or too slow.
        """
        try:
            async with asyncio.timeout(self.settings.timeout):
                async with self._decoding:
                    clips = await self._clips(uploads)
                    jobs = {
                        i: Job(clip, self._alone(clip, how, transcribe))
                        for i, clip in enumerate(clips)
                        if isinstance(clip, Clip)
                    }
                    self.queue.put(list(jobs.values()))
                told = await asyncio.gather(*(asyncio.wrap_future(job.answer) for job in jobs.values()))
        except TimeoutError:
            sentence = (
                f"no answer within {self.settings.timeout:g} s; send less at once, or try again when it is quieter"
            )
            raise RequestError(504, sentence) from None
        answers = dict(zip(jobs, told, strict=True))
        return [answers[i] if i in answers else _failure(one) for i, one in enumerate(clips)]

    async def _clips(self, uploads: Sequence[Upload]) -> "list[Clip | Prediction]":
        loop, left = asyncio.get_running_loop(), self.settings.max_seconds
        clips: list[Clip | Prediction] = []
        for upload in uploads:
            try:
                clip = await loop.run_in_executor(self._decoders, self._clip, upload, left)
                left -= seconds_heard(clip) or 0.0
                clips.append(clip)
            except ClipError as error:
                clips.append(Prediction(upload.id, error=str(error)))
        self.metrics.heard(self.settings.max_seconds - left)
        return clips

    def _clip(self, upload: Upload, left: float) -> Clip:
        if len(upload.text or "") > self.settings.max_characters:
            raise RequestError(413, f"the text is too long: at most {self.settings.max_characters} characters")
        if upload.file is None:
            return Clip(upload.id, transcription=upload.text)
        with self.scratch.file(suffix_of(upload.id)) as path:
            with path.open("wb") as file:
                shutil.copyfileobj(upload.file, file)
            audio = decoded(path, left, self.settings)
        return Clip(upload.id, audio, transcription=upload.text)

    def _alone(self, clip: Clip, how: Callable[[Clip], Any] | None, transcribe: bool) -> Callable[[Clip], Any] | None:
        if not transcribe or not lacks_words(clip):
            return how
        if how is None:
            return lambda one: next(self.recognizer.predict_each([one], transcriber=self.words()))
        return lambda one: how(with_words(one, transcript_of(one, self.words())))

    def _judged(self, clips: Sequence[Clip]) -> Iterator[Prediction]:
        return self.recognizer.predict_each(clips, batch_size=len(clips))


def _failure(one: "Clip | Prediction") -> Prediction:
    assert isinstance(one, Prediction)
    return one
