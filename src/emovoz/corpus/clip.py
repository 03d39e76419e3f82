"""Clip: one utterance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emovoz.corpus.recording import Waveform
from emovoz.corpus.word_times import WordTimes
from emovoz.remote import RemoteFile


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance: how it sounds, what it says, or both.

    Attributes:
        id: name of the clip, unique in its corpus.
        audio: file, here or at a URL, or samples; None where there is only a transcription.
        start, end: the part of the audio that is the clip, seconds.
        transcription: the words; "" where the cell is empty, None where nothing is known.
        label: the emotion, None where unknown.
        speaker, split, language: None where unknown.
        word_times: (start, end) of each word of the transcription, seconds from the clip's start; None where unknown.
        transcription_fault: why words that were given with it cannot be used, None where nothing is wrong.
        extra: every other column of the manifest, for grouping.
        place: where the clip was read, for error messages.

    >>> Clip("a.wav", transcription="¡Qué alegría!", label="joy").describe()
    'a.wav'
    """

    id: str
    audio: Path | Waveform | RemoteFile | None = None
    start: float | None = None
    end: float | None = None
    transcription: str | None = None
    label: str | None = None
    speaker: str | None = None
    split: str | None = None
    language: str | None = None
    word_times: WordTimes | None = None
    transcription_fault: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    place: str | None = None

    def describe(self) -> str:
        """The clip's name in an error message, with the row it came from."""
        if self.place is None:
            return self.id
        # in a folder of class folders, the place is the file, and so is the id
        return self.place if self.place.endswith(f": {self.id}") else f"{self.place}: {self.id}"

    def value(self, column: str) -> str | None:
        """What a column of the manifest says of this clip, None where it says nothing."""
        if column in ("id", "label", "transcription", "speaker", "split", "language"):
            return getattr(self, column) or None
        return self.extra.get(column) or None
