"""Reading a manifest: every row is checked, every fault is told at once."""

import glob
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emovoz.corpus.class_folders import read_class_folders
from emovoz.corpus.clip import Clip
from emovoz.corpus.recording import is_file
from emovoz.corpus.remote_folder import RemoteFolder
from emovoz.corpus.tables import COLUMNS, READERS, read_table
from emovoz.corpus.word_times import WordTimes, read_word_times, word_times_fault
from emovoz.errors import InputError, did_you_mean
from emovoz.progress import say
from emovoz.remote import RemoteFile

Cells = Mapping[str, str | None]
_Fault = tuple[str, str]
"""Its kind, and what is wrong."""
Folder = Path | RemoteFolder
"""Where the audio of a manifest lies."""

MOST_COLUMNS = 10_000
_MOST_LABELS = 100
"""Above it, labels are hardly names that somebody has typed, and comparing each with each takes long."""
_LONGEST_LABEL = 100
"""Characters of a label that is compared with others."""
_LONGEST_FAULT = 500
"""Characters; a cell may hold megabytes."""


def is_manifest(path: Path) -> bool:
    """Whether there is such a file, and its suffix is that of a manifest."""
    return path.suffix.lower() in READERS and is_file(path)


@dataclass(frozen=True)
class RowFault:
    """What is wrong with a row of a manifest.

    Attributes:
        kind: `unreadable`, `id`, `audio`, `content`, `label`, `times`, `word_times`, `repeated_id` or `repeated_audio`.
        place: where a person who opens the file finds the row.
        id: what its cell says, if anything.
        text: what is wrong.
    """

    kind: str
    place: str
    id: str | None
    text: str


def read_manifest(
    path: Path, audio_dir: Folder | None, *, beside: Folder | None = None, need_audio: bool, need_labels: bool
) -> list[Clip]:
    """Clips of a manifest, in its order; what it may be is said in `Corpus.from_manifest`.

    Where no folder of audio is named, `beside` is the one the manifest lies in.

    Raises:
        InputError: all faults at once, each with the file and its row.
    """
    clips, faults = check_manifest(path, audio_dir, beside=beside, need_audio=need_audio, need_labels=need_labels)
    if faults:
        raise InputError(f"{path}: {fault.place}: {fault.text}" for fault in faults)
    for sentence in labels_mistyped(clips) + labels_alike(clips):
        say(f"{path}: {sentence}")
    return clips


def check_manifest(
    path: Path, audio_dir: Folder | None, *, beside: Folder | None = None, need_audio: bool, need_labels: bool
) -> tuple[list[Clip], list[RowFault]]:
    """The clip of every row that can be read, and all that is wrong with the rows, these included.

    Raises:
        InputError: the file as a whole is no manifest, or there is no row in it.
    """
    _check_audio_dir(path, audio_dir)
    in_folders = path.is_dir()
    folder = audio_dir or beside or (path if in_folders else path.parent)
    table = read_class_folders(path) if in_folders else read_table(path)
    _check_columns(path, table.columns, need_labels)
    faults: list[RowFault] = []
    clips: list[Clip] = []
    not_there: list[RowFault] = []
    earlier: dict[tuple[object, ...], str] = {}
    # of the other columns, a row has only what it says itself: each may have others
    meant = dict.fromkeys(name for name in table.columns if name in COLUMNS)
    for row in table.rows:
        cells = {**meant, **row.cells}
        name = cells.get("id") or None
        wrong = [("unreadable", fault) for fault in row.faults or _unreadable(cells)]
        if not wrong:
            audio = _audio(cells, folder)
            found = audio is not None and is_file(audio)
            # in a folder that was given, a file that is not there is one that is missing
            clip = _clip(cells, audio if found or audio_dir else None, f"{path}: {row.place}")
            wrong = _faults(cells, audio, found=found, need_audio=need_audio, need_labels=need_labels)
            if not found and not wrong and _said(cells, "audio") and audio_dir is None:
                text = f"audio file not found, though others are: {audio}"
                not_there.append(RowFault("audio", row.place, name, text))
            wrong += _repeated(clip, row.place, earlier)
            clips.append(clip)
        faults += [RowFault(kind, row.place, name, _brief(text)) for kind, text in wrong]
    if any(clip.audio for clip in clips):
        faults += not_there
    if not clips and not faults:
        raise InputError(f"{path}: no clip: the file has a header and no rows")
    return clips, faults


def _audio(cells: Cells, folder: Folder) -> Path | RemoteFile | None:
    """The file of a row: what the column audio names, or else the id; None where an empty cell says there is none."""
    audio = folder / (_said(cells, "audio") or _said(cells, "id") or "(no id)")
    says_none = "audio" in cells and not _said(cells, "audio") and not is_file(audio)
    return None if says_none else audio


def _check_audio_dir(path: Path, audio_dir: Folder | None) -> None:
    if audio_dir is not None and not audio_dir.is_dir():
        raise InputError(f"{audio_dir}: no such folder of audio files")
    if audio_dir is not None and path.is_dir():
        raise InputError(f"{path}: class folders hold their audio themselves; give no other folder ({audio_dir})")


def _check_columns(path: Path, columns: Sequence[str], need_labels: bool) -> None:
    if len(columns) > MOST_COLUMNS:
        raise InputError(f"{path}: {len(columns)} columns, more than the {MOST_COLUMNS} that a manifest may have")
    twice = sorted(name for name, count in Counter(columns).items() if count > 1)
    if twice:
        raise InputError(f"{path}: the header names a column twice: {_listed(twice)}")
    cased = [repr(name) for name in columns if name not in COLUMNS and name.lower() in COLUMNS]
    for needed in ("id", "label") if need_labels else ("id",):
        if needed not in columns:
            found = f"found {_listed(cased)}: column names are lower case" if cased else f"found: {_listed(columns)}"
            needs = "needed: id, and label to train or score; with a meaning too: transcription, speaker, start, end"
            raise InputError(f"{path}: no column {needed!r} ({found}){_how_separated(path, columns)}; {needs}")
    if cased:
        say(f"{path}: {', '.join(cased)}: no column with a meaning; their names are lower case")


def _listed(columns: Sequence[str]) -> str:
    return _brief(", ".join(columns)) or "nothing"


def _how_separated(path: Path, columns: Sequence[str]) -> str:
    by = {".csv": "commas, semicolons or tabs", ".tsv": "tabs", ".tab": "tabs"}.get(path.suffix.lower())
    return f"; columns are separated by {by}" if by and len(columns) == 1 else ""


def _unreadable(cells: Cells) -> list[str]:
    """Why nothing else need be said of a row."""
    if not any((cell or "").strip() for cell in cells.values()):
        return ["empty row"]
    return [f"{name} is no valid text: {cell!r}" for name, cell in cells.items() if cell and not _is_text(cell)]


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in cell


def _faults(
    cells: Cells, audio: Path | RemoteFile | None, *, found: bool, need_audio: bool, need_labels: bool
) -> list[_Fault]:
    """What is wrong with a row; `audio` is the file it means, if any, and `found` whether it is there."""
    faults: list[_Fault] = []
    missing = None if found else audio
    if not _said(cells, "id"):
        faults.append(("id", "no id"))
    if missing and need_audio:
        faults.append(("audio", f"audio file not found: {missing}{_named_otherwise(missing)}"))
    if not found and cells.get("transcription") is None:
        absent = f" ({missing} does not exist)" if missing else ""
        faults.append(("content", f"neither audio{absent} nor a transcription"))
    if need_labels and not _said(cells, "label"):
        faults.append(("label", "no label"))
    seconds = {name: _seconds(_said(cells, name)) for name in ("start", "end")}
    no_times = [name for name in seconds if seconds[name] is math.nan]
    faults += [("times", f"{name} is not a time in seconds: {cells[name]!r}") for name in no_times]
    if seconds["end"] is not None and seconds["end"] <= (seconds["start"] or 0.0):
        faults.append(("times", f"end ({cells['end']}) is not after start ({_said(cells, 'start') or 0})"))
    return faults + _word_times_faults(cells, seconds["start"], seconds["end"])


def _word_times_faults(cells: Cells, start: float | None, end: float | None) -> list[_Fault]:
    try:
        times = _word_times(cells)
    except ValueError as error:
        return [("word_times", str(error))]
    if times is None:
        return []
    fault = word_times_fault(times, cells.get("transcription"), None if end is None else end - (start or 0.0))
    return [("word_times", fault)] if fault else []


def _word_times(cells: Cells) -> WordTimes | None:
    cell = _said(cells, "word_times")
    return read_word_times(cell) if cell else None


def _named_otherwise(missing: Path | RemoteFile) -> str:
    """A hint at a file that bears the name but for its ending."""
    if isinstance(missing, RemoteFile):
        return ""
    there = next(iter(sorted(missing.parent.glob(f"{glob.escape(missing.name)}.*"))), None) if missing.name else None
    return f"; did you mean {there.name!r}? An id is the whole name of the file" if there else ""


def _repeated(clip: Clip, place: str, earlier: dict[tuple[object, ...], str]) -> list[_Fault]:
    """What of a clip an earlier row has used already."""
    if clip.id.strip() and (first := earlier.setdefault(("id", clip.id), place)) != place:
        return [("repeated_id", f"id {clip.id!r} was already used on {first}")]
    if isinstance(clip.audio, Path | RemoteFile):
        # one file may be spelt in several ways
        place_of = os.path.realpath(clip.audio) if isinstance(clip.audio, Path) else clip.audio.url
        part = ("audio", place_of, clip.start, clip.end)
        if (first := earlier.setdefault(part, place)) != place:
            whole = clip.start is None and clip.end is None
            text = f"{'' if whole else 'this part of '}audio {clip.audio} was already used on {first}"
            return [("repeated_audio", text)]
    return []


def _clip(cells: Cells, audio: Path | RemoteFile | None, place: str) -> Clip:
    # a cell that cannot be read is told as a fault of the row
    times = None
    with suppress(ValueError):
        times = _word_times(cells)
    return Clip(
        id=cells["id"] or "",
        audio=audio,
        start=_seconds(_said(cells, "start")),
        end=_seconds(_said(cells, "end")),
        transcription=cells.get("transcription"),
        label=_said(cells, "label") or None,
        speaker=_said(cells, "speaker") or None,
        split=_said(cells, "split") or None,
        language=_said(cells, "language") or None,
        word_times=times,
        extra={name: _said(cells, name) for name in cells if name not in COLUMNS},
        place=place,
    )


def _brief(fault: str) -> str:
    left_out = len(fault) - _LONGEST_FAULT
    return f"{fault[:_LONGEST_FAULT]}... ({left_out} more characters)" if left_out > 0 else fault


def _said(cells: Cells, column: str) -> str:
    return (cells.get(column) or "").strip()


def _seconds(cell: str) -> float | None:
    """A time in seconds, None where the cell is empty, NaN where it is no time."""
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and value >= 0 else math.nan


def labels_alike(clips: Iterable[Clip]) -> list[str]:
    """A sentence, or none, on labels that differ only in case or blanks, and may have been meant to be one."""
    counts = Counter(clip.label for clip in clips if clip.label)
    alike = defaultdict(list)
    for label in counts:
        alike["".join(label.casefold().split())].append(f"{label!r} ({counts[label]})")
    groups = [" and ".join(labels) for labels in alike.values() if len(labels) > 1]
    return [f"labels that differ only in case or blanks are different labels: {'; '.join(groups)}"] if groups else []


def labels_mistyped(clips: Iterable[Clip]) -> list[str]:
    """A sentence, or none, on labels of a single clip that resemble one of several clips."""
    labelled = [(clip.label, clip) for clip in clips if clip.label and len(clip.label) <= _LONGEST_LABEL]
    counts = Counter(label for label, _ in labelled)
    if len(counts) > _MOST_LABELS:
        return []
    typos = [
        f"{label!r} ({clip.describe()})"
        for label, clip in labelled
        if counts[label] == 1
        and label.casefold() not in {other.casefold() for other in counts if other != label}
        and did_you_mean(label, [other for other in counts if counts[other] > 1], cutoff=0.8)
    ]
    return [f"labels of a single clip that may be slips of the pen: {', '.join(typos)}"] if typos else []
