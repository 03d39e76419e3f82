"""Reading a manifest: every row is checked, every fault is told at once."""

import csv
import io
import math
import sys
from collections.abc import Iterator
from pathlib import Path

from emovoz.corpus.clip import Clip
from emovoz.corpus.recording import is_file
from emovoz.errors import InputError

COLUMNS = ("id", "audio", "start", "end", "transcription", "label", "speaker", "split", "language")


def read_manifest(path: Path, audio_dir: Path | None, *, need_audio: bool, need_labels: bool) -> list[Clip]:
    """Clips of a UTF-8 CSV file, in its order; the folder rules are those of `Corpus.from_csv`.

    Raises:
        InputError: all faults at once, each with the file and the line its row starts on.
    """
    if audio_dir is not None and not audio_dir.is_dir():
        raise InputError(f"{audio_dir}: no such folder of audio files")
    folder = audio_dir if audio_dir is not None else path.parent
    faults: list[str] = []
    clips: list[Clip] = []
    first_row: dict[str, str] = {}
    for place, row in _rows(path, faults, need_labels):
        wrong = _faults(row, folder, need_audio=need_audio, need_labels=need_labels)
        if row["id"] in first_row:
            wrong.append(f"id {row['id']!r} was already used on {first_row[row['id']]}")
        first_row.setdefault(row["id"], place.removeprefix(f"{path}: "))
        faults += [f"{place}: {fault}" for fault in wrong]
        if not wrong:
            clips.append(_clip(row, folder, place, named=audio_dir is not None))
    if not clips and not faults:
        faults.append(f"{path}: no clip: the file has a header and no rows")
    if faults:
        raise InputError(faults)
    return clips


def _rows(path: Path, faults: list[str], need_labels: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """(file and line, {column: cell}) of each row that has the header's shape."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    line = 1
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header, need_labels)
        line = reader.line_num + 1
        for cells in reader:
            place, line = f"{path}: row {line}", reader.line_num + 1
            if len(cells) == len(header):
                yield place, {name: cell for name, cell in zip(header, cells, strict=True) if name}
            elif cells:
                faults.append(f"{place}: {len(cells)} fields where the header has {len(header)}")
    except csv.Error as error:
        faults.append(f"{path}: row {line}: not valid CSV ({error}); is a quotation mark left open?")


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: row {row}: not UTF-8 text; save the file as UTF-8") from error


def _check_header(path: Path, header: list[str], need_labels: bool) -> None:
    if "id" not in header:
        found = ", ".join(header) if any(header) else "nothing"
        raise InputError(f"{path}: the header has no column 'id' (found: {found}); columns are separated by commas")
    if need_labels and "label" not in header:
        raise InputError(f"{path}: the header has no column 'label' (found: {', '.join(header)})")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(f"{path}: the header names a column twice: {', '.join(twice)}")


def _faults(row: dict[str, str], folder: Path, *, need_audio: bool, need_labels: bool) -> list[str]:
    faults = []
    if not row["id"].strip():
        faults.append("no id")
    audio = _audio(row, folder)
    if need_audio and not is_file(audio):
        faults.append(f"audio file not found: {audio}")
    if not is_file(audio) and "transcription" not in row:
        faults.append(f"neither audio ({audio} does not exist) nor a transcription")
    if need_labels and not row.get("label", "").strip():
        faults.append("no label")
    seconds = {name: _seconds(row.get(name, "")) for name in ("start", "end")}
    faults += [f"{name} is not a time in seconds: {row[name]!r}" for name in seconds if seconds[name] is math.nan]
    if seconds["end"] is not None and seconds["end"] <= (seconds["start"] or 0.0):
        faults.append(f"end ({row['end']}) is not after start ({row.get('start') or 0})")
    return faults


def _clip(row: dict[str, str], folder: Path, place: str, *, named: bool) -> Clip:
    """`named`: the folder of the audio was given, so a file that is not there is one that is missing."""
    audio = _audio(row, folder)
    return Clip(
        id=row["id"],
        audio=audio if named or is_file(audio) else None,
        start=_seconds(row.get("start", "")),
        end=_seconds(row.get("end", "")),
        transcription=row.get("transcription"),
        label=row.get("label", "").strip() or None,
        speaker=row.get("speaker", "").strip() or None,
        split=row.get("split", "").strip() or None,
        language=row.get("language", "").strip() or None,
        extra={name: cell.strip() for name, cell in row.items() if name not in COLUMNS},
        place=place,
    )


def _audio(row: dict[str, str], folder: Path) -> Path:
    return folder / (row.get("audio", "").strip() or row["id"].strip() or "(no id)")


def _seconds(cell: str) -> float | None:
    """A time in seconds, None where the cell is empty, NaN where it is no time."""
    if not cell.strip():
        return None
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and value >= 0 else math.nan
