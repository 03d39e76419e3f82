"""How recordings become timelines: utterances found, their words recognised, each judged, neighbours counted in."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emovoz.corpus.audio import bounds_of, finite, mono, resampled
from emovoz.corpus.clip import Clip
from emovoz.corpus.envelope import Envelope
from emovoz.corpus.recording import Waveform, opened
from emovoz.errors import ClipError, InputError
from emovoz.inference.prediction import Predictor
from emovoz.inference.segment import Segment
from emovoz.inference.smoothing import Decision, smoothed, weighted_mean
from emovoz.inference.spoken import Spoken, spoken
from emovoz.inference.thresholds import decisions
from emovoz.inference.timeline import Timeline
from emovoz.progress import progress, say
from emovoz.utterances import Limits, utterances
from emovoz.utterances.speech import RATE

if TYPE_CHECKING:
    from emovoz.inference.recognizer import Recognizer
    from emovoz.transcription import Transcriber

STRETCH_SECONDS = 30.0
"""Of a recording whose words are recognised at once; Whisper takes as long for less."""


@dataclass(frozen=True)
class Listener:
    """Makes timelines of recordings, and segments of sound that is still going on.

    Attributes:
        predictor: judges clips.
        decide: takes the decision by probabilities.
        labels: all that it tells apart.
        model: name of the recogniser.
        limits: what makes an utterance.
        smooth: seconds within which neighbours count; 0 leaves each as it is.
        transcriber: recognises words; without one, there are none.
    """

    predictor: Predictor
    decide: Decision
    labels: Sequence[str]
    model: str
    limits: Limits
    smooth: float = 0.0
    transcriber: "Transcriber | None" = None

    def segments(
        self, blocks: Iterable[np.ndarray], *, live: bool = True, language: str | None = None
    ) -> Iterator[Segment]:
        """The segments of a recording, in order of time, in memory that does not grow with it.

        Args:
            blocks: the recording, float32 [time] each, at 16 kHz.
            live: it is still going on, so that words are recognised as soon as an utterance is over.
            language: that is spoken, where it is known.

        Raises:
            whatever the blocks raise.
        """
        found = utterances(blocks, self.limits)
        transcriber = self.transcriber
        if transcriber is None:
            worded: Iterator[Spoken] = map(Spoken, found)
        else:
            worded = spoken(
                found, lambda samples: transcriber(samples, language).words, 0.0 if live else STRETCH_SECONDS
            )
        judged = _judged(worded, self.predictor)
        return smoothed(judged, self.smooth, self.decide) if self.smooth else judged

    def timeline(self, clip: Clip) -> Timeline:
        """The timeline of one recording; where it is damaged, of what can be heard, and the error."""
        faults: list[str] = []
        segments: list[Segment] = []
        envelope = Envelope(RATE)
        if clip.transcription and self.transcriber is None:
            say(f"{clip.id}: its words have no places in time, so it is judged by sound alone; see --transcribe")
        if clip.audio is None:
            faults.append("no audio: a timeline is of a recording")
        else:
            blocks = _watched(until_damaged(_blocks(clip), faults), envelope.add)
            segments.extend(self.segments(blocks, live=False, language=clip.language))
        scores = weighted_mean((one.seconds, one.scores) for one in segments if one.error is None)
        words = " ".join(one.transcription for one in segments if one.transcription)
        return Timeline(
            clip.id,
            label=self.decide(scores) if scores else None,
            scores=scores,
            seconds=round(envelope.seconds, 3),
            transcription=words or None,
            modalities=tuple(name for name in ("speech", "text") if any(name in one.modalities for one in segments)),
            model=self.model,
            adapted_from=next((one.adapted_from for one in segments if one.adapted_from), None),
            error=faults[0] if faults else None,
            segments=tuple(segments),
            labels=tuple(self.labels),
            envelope=envelope,
        )


def listener_of(
    recognizer: "Recognizer",
    *,
    limits: Limits | None = None,
    smooth: float = 0.0,
    transcriber: "Transcriber | None" = None,
    batch_size: int = 16,
    thresholds: Mapping[str, float] | None = None,
    enrolment: Iterable[Clip] | None = None,
) -> Listener:
    """A recogniser that listens to recordings; see `Recognizer.predict_timeline`.

    Args:
        batch_size: utterances judged together; 1 where results are wanted as soon as one is over.

    Raises:
        InputError: what cannot be set so, or a model without ears and no transcriber.
    """
    if not (math.isfinite(smooth) and smooth >= 0):
        raise InputError(f"smooth {smooth!r}: seconds are wanted, 0 or more")
    if "speech" not in recognizer.encoders.branches and transcriber is None:
        raise InputError("this model reads words and hears no sound: its timeline needs a transcriber (--transcribe)")
    row, labels = recognizer.threshold_row(thresholds), recognizer.labels
    return Listener(
        predictor=recognizer.predictor(batch_size=batch_size, thresholds=thresholds, enrolment=enrolment),
        decide=lambda scores: labels[int(decisions(np.array([scores[label] for label in labels]), row))],
        labels=labels,
        model=recognizer.name,
        limits=limits or Limits(),
        smooth=smooth,
        transcriber=transcriber,
    )


def _judged(heard: Iterable[Spoken], predictor: Predictor) -> Iterator[Segment]:
    waiting: deque[Spoken] = deque()

    def clips() -> Iterator[Clip]:
        for one in heard:
            waiting.append(one)
            yield _clip(one)

    for prediction in predictor(clips()):
        one = waiting.popleft()
        yield Segment(
            start=round(one.utterance.start, 3),
            end=round(one.utterance.end, 3),
            label=prediction.label,
            scores=prediction.scores,
            transcription=one.text,
            words=one.words,
            modalities=prediction.modalities,
            adapted_from=prediction.adapted_from,
            error=prediction.error,
        )


def _clip(one: Spoken) -> Clip:
    start = one.utterance.start
    return Clip(
        f"at {start:.3f} s",
        Waveform(one.utterance.samples, RATE),
        transcription=one.text,
        word_times=tuple((max(0.0, word.start - start), max(0.0, word.end - start)) for word in one.words) or None,
    )


def _blocks(clip: Clip) -> Iterator[np.ndarray]:
    """A recording as mono blocks at 16 kHz."""
    assert clip.audio is not None
    with opened(clip.audio) as recording:
        first, last = bounds_of(recording, clip.start, clip.end)
        if last <= first:
            raise ClipError("empty: it holds no samples")
        with progress(clip.id, (last - first) / recording.rate, speech=True) as advance:
            blocks = (finite(mono(block)) for block in recording.blocks(first, last))
            yield from resampled(
                _watched(blocks, lambda block: advance(len(block) / recording.rate)), recording.rate, RATE
            )


def until_damaged(blocks: Iterator[np.ndarray], faults: list[str]) -> Iterator[np.ndarray]:
    """Blocks up to where they cannot be read on, and why in `faults`: what was heard is not lost."""
    try:
        yield from blocks
    except ClipError as error:
        faults.append(str(error))


def _watched(blocks: Iterable[np.ndarray], watch: Callable[[np.ndarray], None]) -> Iterator[np.ndarray]:
    for block in blocks:
        watch(block)
        yield block
