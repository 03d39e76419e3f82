"""A manifest whose missing words are recognised."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emovoz.corpus import Clip, Corpus
from emovoz.corpus.class_folders import read_class_folders
from emovoz.corpus.tables import csv_row, read_table
from emovoz.errors import ClipError, InputError
from emovoz.files import check_file, write_whole
from emovoz.progress import progress, say
from emovoz.transcription.clips import lacks_words, transcript_of
from emovoz.transcription.transcriber import Transcriber

FILLED = ("transcription", "word_times", "language")
"""Columns that are filled in."""


@dataclass(frozen=True)
class Transcribed:
    """What came of a manifest: how many clips, how many of them had words, and why some could not be heard."""

    clips: int
    given: int
    recognised: int
    faults: tuple[str, ...]


def transcribe_manifest(manifest: Path, out: Path, transcriber: Transcriber, audio_dir: Path | None) -> Transcribed:
    """Write a manifest again, the words of clips that come without recognised; all else stays as it was.

    What is recognised is kept in a file beside `out` until all is done, and not recognised again by the next call.

    Args:
        manifest: that has clips with audio.
        out: a CSV.
        transcriber: recognises the words.
        audio_dir: folder of the audio files.

    Raises:
        InputError: a manifest with faults or without audio, or `out` cannot be written.
    """
    check_file(out)
    if out.suffix.lower() != ".csv":
        raise InputError(f"{out}: a CSV is written; name it so")
    corpus = Corpus.from_manifest(manifest, audio_dir, audio=False, labels=False)
    lacking = [clip for clip in corpus if lacks_words(clip)]
    if not any(clip.audio for clip in corpus):
        raise InputError(f"{manifest}: no clip has audio; name its folder with --audio-dir")
    kept = out.with_name(f"{out.name}.part")
    head = {"asr": transcriber.name, "language": transcriber.language, "manifest": str(manifest.resolve())}
    found, faults = _recognised(lacking, transcriber, kept, head)
    table = read_class_folders(manifest) if manifest.is_dir() else read_table(manifest)
    columns = [*table.columns, *(name for name in FILLED if name not in table.columns)]
    rows = [{**row.cells, **found.get(clip.id, {})} for row, clip in zip(table.rows, corpus, strict=True)]
    write_whole(out, _csv(columns, rows))
    kept.unlink(missing_ok=True)
    return Transcribed(len(corpus), len(corpus) - len(lacking), sum(bool(one) for one in found.values()), tuple(faults))


def _recognised(
    clips: list[Clip], transcriber: Transcriber, kept: Path, head: Mapping[str, str | None]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The cells to fill in, by the clip's id, and why some clips could not be heard."""
    found = _read_kept(kept, head)
    faults = []
    with progress("words recognised", len(clips)) as advance, kept.open("a", encoding="utf-8") as file:
        if not file.tell():
            file.write(json.dumps(head) + "\n")
        for clip in clips:
            if clip.id not in found:
                try:
                    found[clip.id] = _cells(clip, transcriber)
                except ClipError as error:
                    faults.append(f"{clip.describe()}: {error}")
                    continue
                file.write(json.dumps([clip.id, found[clip.id]], ensure_ascii=False) + "\n")
                file.flush()
            advance(1)
    return found, faults


def _cells(clip: Clip, transcriber: Transcriber) -> dict[str, str]:
    transcript = transcript_of(clip, transcriber)
    if not transcript.text:
        return {}
    times = transcript.word_times
    return {
        "transcription": transcript.text,
        "word_times": "" if times is None else json.dumps(times),
        "language": clip.language or transcript.language or "",
    }


def _read_kept(kept: Path, head: Mapping[str, str | None]) -> dict[str, dict[str, str]]:
    """What an earlier call of the same has left; a last line that was cut off is recognised again."""
    if not kept.is_file():
        return {}
    lines = list(_whole_lines(kept))
    if not lines or lines[0] != head:
        say(f"{kept}: of another manifest, recogniser or language, so begun anew")
        lines = []
    kept.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return dict(lines[1:])


def _whole_lines(path: Path) -> Iterator[Any]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str | None]]) -> str:
    table = [columns, *([row.get(column) for column in columns] for row in rows)]
    return "".join(f"{csv_row(cells)}\n" for cells in table)
