"""Corpus: clips and the set of their labels."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emovoz.corpus.clip import Clip
from emovoz.corpus.manifest import read_manifest
from emovoz.corpus.recording import Waveform
from emovoz.corpus.remote_manifest import read_remote_manifest
from emovoz.errors import InputError, did_you_mean
from emovoz.remote import is_url


@dataclass(frozen=True)
class Corpus:
    """Clips in a fixed order, each with a unique id.

    >>> corpus = Corpus([Clip("a", transcription="sí", label="joy"), Clip("b", transcription="no", label="anger")])
    >>> corpus.labels, len(corpus)
    (('anger', 'joy'), 2)
    >>> corpus.without("joy").labels
    ('anger',)
    """

    clips: Sequence[Clip]

    def __post_init__(self) -> None:
        object.__setattr__(self, "clips", tuple(self.clips))
        counts = Counter(clip.id for clip in self.clips)
        twice = [clip for clip in self.clips if counts[clip.id] > 1]
        if twice:
            raise InputError(f"{clip.describe()}: this id occurs {counts[clip.id]} times" for clip in twice)

    @classmethod
    def from_manifest(
        cls,
        path: Path | str,
        audio_dir: Path | str | None = None,
        *,
        audio: bool | None = None,
        labels: bool = True,
    ) -> "Corpus":
        """Read a manifest: a table of clips, or a folder with a folder for each label.

        A table is a .csv (its columns separated by commas, semicolons or tabs), .tsv, .parquet or .jsonl file with
        the column `id`. Columns with a meaning: id, audio, start, end (seconds), transcription, label, speaker,
        split, language, word_times (a JSON list with the [start, end] of each word, what blanks separate, in seconds
        from the clip's start); others are kept for grouping. The audio of a clip is the file named by `audio`, or
        else by `id`, under `audio_dir` or, without one, beside the manifest. In class folders, each audio file below
        a folder is a clip with that folder's name as its label and its path in there as its id.

        Args:
            path: the manifest; a table may lie at a URL (docs/ray.md).
            audio_dir: folder of the audio files of a table, here or at a URL.
            audio: whether every clip must have audio; by default, whether `audio_dir` is given.
            labels: whether every clip must have a label.

        Raises:
            InputError: every fault of every row at once, each with its row.
        """
        need_audio = audio_dir is not None if audio is None else audio
        if is_url(path) or is_url(audio_dir):
            return cls(read_remote_manifest(path, audio_dir, need_audio=need_audio, need_labels=labels))
        audio_dir = Path(audio_dir) if audio_dir is not None else None
        return cls(read_manifest(Path(path), audio_dir, need_audio=need_audio, need_labels=labels))

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted({clip.label for clip in self.clips if clip.label}))

    def select(self, indices: Iterable[int]) -> "Corpus":
        """The clips at these positions."""
        return Corpus([self.clips[i] for i in indices])

    def split(self, name: str) -> "Corpus":
        """The clips whose column `split` says `name`.

        Raises:
            InputError: there are none.
        """
        clips = [clip for clip in self.clips if clip.split == name]
        if not clips:
            there = ", ".join(sorted({clip.split for clip in self.clips if clip.split})) or "none"
            raise InputError(f"no clip belongs to split {name!r}; the splits there are: {there}")
        return Corpus(clips)

    def without(self, *labels: str) -> "Corpus":
        """The clips with other labels than these.

        Raises:
            InputError: a label that no clip has, or nothing is left.
        """
        unknown = [label for label in labels if label not in self.labels]
        if unknown:
            raise InputError(f"no clip is labelled {label!r}; labels: {', '.join(self.labels)}" for label in unknown)
        kept = [clip for clip in self.clips if clip.label not in labels]
        if not kept:
            raise InputError("no clip is left once these labels are excluded")
        return Corpus(kept)

    def check_labels(self, known: Collection[str], whose: str) -> None:
        """Refuse labels that are not known; clips without a label are passed over.

        Args:
            known: the labels there may be.
            whose: what they are called in the message.

        Raises:
            InputError: each clip with another label, and the known one nearest to it.

        >>> Corpus([Clip("a", transcription="sí", label="Joy")]).check_labels(["anger", "joy"], "those known")
        Traceback (most recent call last):
        emovoz.errors.InputError: a: label 'Joy' is not among those known (anger, joy); did you mean 'joy'?
        """
        strange = [clip for clip in self.clips if clip.label and clip.label not in known]
        if strange:
            raise InputError(
                f"{clip.describe()}: label {clip.label!r} is not among {whose} ({', '.join(known)})"
                f"{did_you_mean(clip.label or '', known)}"
                for clip in strange
            )

    def values(self, column: str) -> list[str]:
        """What a column says of each clip.

        Raises:
            InputError: a clip for which it says nothing.
        """
        empty = [clip.describe() for clip in self.clips if clip.value(column) is None]
        if len(empty) == len(self.clips):
            raise InputError(f"the corpus has no column {column!r}")
        if empty:
            raise InputError(f"{name}: nothing in column {column!r}" for name in empty)
        return [clip.value(column) or "" for clip in self.clips]

    @property
    def fingerprint(self) -> str:
        """A hash of what is labelled how: ids, words, labels, speakers and segments; not of where the files lie."""
        digest = hashlib.sha256()
        for clip in sorted(self.clips, key=lambda clip: clip.id):
            row: Sequence[object] = (clip.id, clip.start, clip.end, clip.transcription, clip.label, clip.speaker)
            digest.update(repr(row).encode())
            if isinstance(clip.audio, Waveform):
                digest.update(clip.audio.samples.tobytes())
        return digest.hexdigest()[:16]
