"""Tables that a manifest may be kept in, read as text: CSV, TSV, Parquet, JSON Lines."""

import codecs
import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any

from emovoz.errors import InputError
from emovoz.progress import say

COLUMNS = ("id", "audio", "start", "end", "transcription", "label", "speaker", "split", "language", "word_times")
"""Columns with a meaning."""
LISTS = ("word_times",)
"""Those of them that hold several values."""
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_WAY_OUT = "save it as UTF-8 (in Excel: Save as, CSV UTF-8)"


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        place: where a person who opens the file finds it.
        cells: text by column, None where nothing is known.
        faults: why the row cannot be read at all.
    """

    place: str
    cells: Mapping[str, str | None]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Names of the columns, and the rows."""

    columns: Sequence[str]
    rows: Iterable[Row]


def read_table(path: Path) -> Table:
    """Read a table in the format that its suffix names.

    Raises:
        InputError: no such format, or a file that cannot be read at all.
    """
    reader = READERS.get(path.suffix.lower())
    try:
        path.stat()
        if reader is None:
            raise InputError(
                f"{path}: a manifest is a file named {', '.join(READERS)}, or a folder with a folder for each label"
            )
        return reader(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _separated(path: Path, separators: Sequence[str]) -> Table:
    """Of several separators, the one that makes a column `id` of the header."""
    csv.field_size_limit(sys.maxsize)
    text = _text(path)
    headers = {separator: _header(text, separator) for separator in separators}
    separator = max(headers, key=lambda one: 2 * ("id" in headers[one]) + ("id" in map(str.lower, headers[one])))
    header = headers[separator]
    if not header and text:
        raise InputError(f"{path}: row 1: no header; is the row blank, or is a quotation mark left open?")
    if separator != separators[0]:
        say(f"{path}: read with its columns separated by {SEPARATORS[separator]}")
    return Table([name for name in header if name], _csv_rows(text, separator, header))


def _header(text: str, separator: str) -> list[str]:
    """The names in the first row, none where it cannot be read."""
    try:
        return [name.strip() for name in next(_csv_reader(text, separator), [])]
    except csv.Error:
        return []


def _csv_reader(text: str, separator: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _csv_rows(text: str, separator: str, header: Sequence[str]) -> Iterator[Row]:
    reader = _csv_reader(text, separator)
    line = 1
    try:
        for cells in reader:
            place, first, line = f"row {line}", line == 1, reader.line_num + 1
            if first or not cells:
                continue
            named = {name: cell for name, cell in zip(header, cells, strict=False) if name}
            wrong = len(cells) != len(header) and any(cell.strip() for cell in cells)
            yield Row(place, named, (f"{len(cells)} fields where the header has {len(header)}",) if wrong else ())
    except csv.Error as error:
        yield Row(f"row {line}", {}, (f"not valid CSV ({error}); is a quotation mark left open?",))


def _json_lines(path: Path) -> Table:
    lines = enumerate(_text(path).split("\n"), start=1)
    rows = [_json_row(f"line {number}", line) for number, line in lines if line.strip()]
    if rows and all(row.faults for row in rows):
        raise InputError(f"{path}: {row.place}: {fault}" for row in rows for fault in row.faults)
    return Table(list(dict.fromkeys(name for row in rows for name in row.cells)), rows)


def _json_row(place: str, line: str) -> Row:
    try:
        cells = json.loads(line, object_pairs_hook=_json_object)
    except json.JSONDecodeError as error:
        return Row(place, {}, (f"not JSON ({error.msg}, character {error.colno})",))
    except (ValueError, RecursionError) as error:
        return Row(place, {}, (f"not usable JSON ({error})",))
    if not isinstance(cells, dict):
        return Row(place, {}, ('not a JSON object, such as {"id": "a.wav", "label": "joy"}',))
    return _row(place, cells)


def _json_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = [name.strip() for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"a name twice in one object: {', '.join(names)}")
    return dict(zip(names, (value for _, value in pairs), strict=True))


def _parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    data = path.read_bytes()
    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(_damaged(path, error)) from error
    columns = [name.strip() for name in file.schema_arrow.names]
    return Table(columns, _parquet_rows(path, columns, file))


def _parquet_rows(path: Path, columns: Sequence[str], file: Any) -> Iterator[Row]:
    import pyarrow

    number = 0
    try:
        for batch in file.iter_batches():
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield _row(f"row {number}", dict(zip(columns, values, strict=True)))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    reason = " ".join(str(error).split()).rstrip(".")
    return f"{path}: not a Parquet file, or a damaged one ({shorten(reason, 200)})"


def _row(place: str, values: dict[str, Any]) -> Row:
    single = [name for name in values if name in COLUMNS and name not in LISTS]
    several = [name for name in single if isinstance(values[name], list | dict)]
    faults = tuple(f"{name} must be one value, not {shorten(_cell(values[name]) or '', 80)}" for name in several)
    return Row(place, {name: _cell(value) for name, value in values.items()}, faults)


def _cell(value: Any) -> str | None:
    """A value as a person would write it into a cell.

    >>> [_cell(value) for value in (None, math.nan, "sí ", 3, 3.0, 0.1, True, Decimal("2.50"), [1, "a"])]
    [None, None, 'sí ', '3', '3', '0.1', 'true', '2.5', '[1, "a"]']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="surrogateescape")
    return str(value)


def _text(path: Path) -> str:
    """A file's text: UTF-8, or UTF-16 where a byte order mark says so."""
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before, wrong = error.object[: error.start].decode(encoding), error.object[error.start]
        name = encoding.removesuffix("-sig").upper()
        raise InputError(f"{path}: row {_line(before)}: byte 0x{wrong:02X} is not {name} text; {_WAY_OUT}") from error
    if "\0" in text:
        before = text[: text.index("\0")]
        raise InputError(f"{path}: row {_line(before)}: a NUL byte, which no text has; {_WAY_OUT}")
    if encoding == "utf-16":
        say(f"{path}: read as UTF-16 text")
    return text


def _line(before: str) -> int:
    return len(before.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def csv_row(cells: Iterable[Any]) -> str:
    r"""Cells as a row of CSV, without an end of line; None is an empty cell, and nothing else is changed.

    >>> csv_row(["=1+1", None, "a, b", "a\rb"])
    '=1+1,,"a, b","a\rb"'
    """
    text = io.StringIO(newline="")
    # cells are quoted where they hold a character of the end of line; readers take each of these two for one
    csv.writer(text, lineterminator="\r\n").writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue().removesuffix("\r\n")


READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": partial(_separated, separators=tuple(SEPARATORS)),
    ".tsv": partial(_separated, separators=("\t",)),
    ".tab": partial(_separated, separators=("\t",)),
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
"""How each kind of file is read, by suffix."""
