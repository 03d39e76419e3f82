"""Prediction on Ray: batches of clips judged by processes that each hold the model."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emovoz.corpus import Clip
from emovoz.errors import ClipError
from emovoz.features.keys import audio_key
from emovoz.inference.inputs import batches
from emovoz.inference.model_folder import folder_of
from emovoz.inference.prediction import Prediction
from emovoz.inference.recognizer import Recognizer
from emovoz.progress import progress
from emovoz.remote import copies_meanwhile
from emovoz.scale.answers import Answers, digest
from emovoz.scale.cluster import Cluster
from emovoz.scale.looking import clips_looked_at


@dataclass(frozen=True)
class Model:
    """A saved recogniser that travels: its files, not the folder they lie in.

    Attributes:
        name: of its folder.
        files: content by path in there.
        thresholds: of labels; see `Recognizer.predict`.
        transcription: what recognises words, and the language; none where none is to be recognised.
    """

    name: str
    files: Mapping[str, bytes]
    thresholds: Mapping[str, float]
    transcription: tuple[str, str | None] | None = None

    @classmethod
    def of(cls, source: str, **settings: Any) -> "Model":
        """The model in a folder, at a URL, or on the hub; settings as the attributes."""
        folder = folder_of(source)
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        name = Path(source).resolve().name
        return cls(name, {name: path.read_bytes() for name, path in files.items()}, **settings)

    @property
    def asked(self) -> str:
        """A hash of all that its predictions depend on."""
        files = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in self.files.items())
        return digest(self.name, files, sorted(self.thresholds.items()), self.transcription)

    def recognizer(self) -> Recognizer:
        """The recogniser itself."""
        with tempfile.TemporaryDirectory(prefix="emovoz-") as scratch:
            folder = Path(scratch) / self.name
            for name, content in self.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            return Recognizer.from_pretrained(folder)


@dataclass(frozen=True)
class Judging:
    """Makes what judges batches in a process, and keeps its answers where that is wanted."""

    model: Model
    answers: Answers | None

    def __call__(self) -> Callable[["Batch"], list[Prediction]]:
        """With the model loaded."""
        from emovoz.transcription import Transcriber

        recognizer, transcription = self.model.recognizer(), self.model.transcription
        transcriber = Transcriber.load(*transcription) if transcription else None

        def judge(batch: "Batch") -> list[Prediction]:
            with copies_meanwhile():
                predictions = recognizer.predict_each(
                    batch.clips,
                    batch_size=len(batch.clips),
                    thresholds=self.model.thresholds,
                    transcriber=transcriber,
                )
                done = list(predictions)
            if self.answers:
                self.answers.keep(batch.contents, done)
            return done

        return judge


@dataclass(frozen=True)
class Batch:
    """Clips that are judged together, and what each of them holds; None where that cannot be read, or nobody asks."""

    clips: list[Clip]
    contents: list[str | None]


def predict_on_ray(
    model: Model, clips: Iterable[Clip], processes: Cluster, *, batch_size: int = 16, answers: Answers | None = None
) -> Iterator[Prediction]:
    """Predictions of clips, in their order, as they come; the same as those of one process.

    Args:
        model: judges.
        clips: files on this machine must be readable by the same path wherever Ray works.
        processes: that work.
        batch_size: clips encoded together.
        answers: where they are kept; what is there already, of the same content, is not judged again.

    Raises:
        InputError: the model cannot be used, or the answers cannot be kept.
    """
    looked = clips_looked_at(clips, processes)
    together = [
        Batch(some, [_content(clip) if answers else None for clip in some]) for some in batches(looked, batch_size)
    ]
    known = answers.read() if answers else {}
    to_do = [batch for batch in together if not _answered(batch, known)]
    results = processes.run(Judging(model, answers), to_do)
    with progress("judging", len(looked)) as advance:
        for batch in together:
            if _answered(batch, known):
                done = [known[content] for content in batch.contents if content]
            else:
                done = next(results)
            yield from (replace(one, id=clip.id) for clip, one in zip(batch.clips, done, strict=True))
            advance(len(done))


def _answered(batch: Batch, known: Mapping[str, Prediction]) -> bool:
    return all(content in known for content in batch.contents)


def _content(clip: Clip) -> str | None:
    """A hash of what a clip holds, None where it cannot be read."""
    said: Sequence[Any] = (clip.transcription, clip.transcription_fault, clip.word_times)
    with suppress(ClipError):
        return digest(audio_key(clip), *said)
    return None
