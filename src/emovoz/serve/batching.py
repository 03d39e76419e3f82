"""The queue of a service: clips of all who ask at once, judged together by one thread."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emovoz.corpus import Clip, Waveform
from emovoz.memory import give_back
from emovoz.serve.refusal import RequestError
from emovoz.serve.settings import ServeSettings

Judge = Callable[[Sequence[Clip]], Iterable[Any]]
"""Gives an answer to each of several clips, in order; none depends on the others."""
MOST_BYTES = 400_000_000
"""Of samples that wait, unless a single request may hold more."""


@dataclass(eq=False)
class Job:
    """A clip that waits for its answer.

    Attributes:
        clip: decoded.
        alone: how it is answered where that is not the usual way; then it is by itself.
        answer: what it will be told; cancelled before it is begun, it is left out.
    """

    clip: Clip
    alone: Callable[[Clip], Any] | None = None
    answer: "Future[Any]" = field(default_factory=Future)

    @property
    def seconds(self) -> float:
        """Of its audio."""
        audio = self.clip.audio
        return len(audio.samples) / audio.rate if isinstance(audio, Waveform) else 0.0

    @property
    def size(self) -> int:
        """Of its samples, bytes."""
        audio = self.clip.audio
        return np.asarray(audio.samples).nbytes if isinstance(audio, Waveform) else 0


class Batcher:
    """Takes what waits, as much as makes a batch, and has it judged; never waits for more to come.

    Args:
        judge: asked from one thread only.
        settings: how much may wait, and how much makes a batch.
        told: called with the number of clips of each batch.
    """

    def __init__(self, judge: Judge, settings: ServeSettings, told: Callable[[int], None]) -> None:
        self._judge, self._settings, self._told = judge, settings, told
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._at_work, self._closed = 0, False
        self._answered, self._seconds = 0, 0.0
        self._thread = threading.Thread(target=self._run, name="emovoz-judge", daemon=True)

    def start(self) -> None:
        """Begin to judge."""
        self._thread.start()

    def close(self) -> None:
        """Judge what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether anybody judges."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many clips wait; those that nobody waits for any more are none."""
        with self._changed:
            return sum(not job.answer.cancelled() for job in self._waiting)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        with self._changed:
            return not self._waiting and not self._at_work

    def put(self, jobs: Sequence[Job]) -> None:
        """Let clips wait, all of them or none.

        Raises:
            RequestError: the queue is full, or the service is ending.
        """
        with self._changed:
            # nobody waits for what was cancelled
            self._waiting = deque(job for job in self._waiting if not job.answer.cancelled())
            held = sum(job.size for job in (*self._waiting, *jobs))
            most = max(MOST_BYTES, 2 * 4 * self._settings.max_frames)
            if self._closed or len(self._waiting) + len(jobs) > self._settings.max_waiting or held > most:
                raise RequestError(429, "too many are asking at once; try again", retry_after=self.patience())
            self._waiting.extend(jobs)
            self._changed.notify()

    def patience(self) -> int:
        """In how many seconds those who wait now will have been answered, as far as can be told."""
        each = self._seconds / self._answered if self._answered else 0.0
        return max(1, math.ceil(each * (len(self._waiting) + self._at_work)))

    def _run(self) -> None:
        while batch := self._next():
            started = time.perf_counter()
            self._told(len(batch))
            if batch[0].alone:
                _settle(batch[0], batch[0].alone)
                give_back()
            else:
                # the recogniser gives back itself, after each of its batches
                _answer(batch, self._judge)
            with self._changed:
                self._at_work = 0
                self._answered += len(batch)
                self._seconds += time.perf_counter() - started

    def _next(self) -> list[Job]:
        """The next batch, whose clips can no longer be cancelled; none where all is done and nothing will come."""
        with self._changed:
            while True:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return []
                batch = [job for job in self._taken() if job.answer.set_running_or_notify_cancel()]
                self._at_work = len(batch)
                if batch:
                    return batch

    def _taken(self) -> list[Job]:
        taken = [self._waiting.popleft()]
        seconds = taken[0].seconds
        while self._waiting and len(taken) < self._settings.batch_clips and not taken[0].alone:
            job = self._waiting[0]
            seconds += job.seconds
            if job.alone or seconds > self._settings.batch_seconds:
                break
            taken.append(self._waiting.popleft())
        return taken


def _answer(batch: Sequence[Job], judge: Judge) -> None:
    try:
        answers = list(judge([job.clip for job in batch]))
    except Exception:
        # what fails for one must not fail for all
        for job in batch:
            _settle(job, lambda clip: next(iter(judge([clip]))))
        return
    for job, answer in zip(batch, answers, strict=True):
        job.answer.set_result(answer)


def _settle(job: Job, judge: Callable[[Clip], Any]) -> None:
    try:
        job.answer.set_result(judge(job.clip))
    except Exception as error:
        job.answer.set_exception(error)
