"""Manifests of every make: what was written is read again, or the file and the row are named; nothing else happens."""

import csv
import io
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from emovoz import Corpus, InputError
from emovoz.corpus.tables import csv_row
from faults_tried import how_many, tally
from helpers import emovoz

CASES = how_many(2000) // 2
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "shift_jis")
KNOWN = ("utf-8", "utf-8-sig", "utf-16")
"""Encodings that a file tells by itself, or that are usual."""
STRANGE = (
    "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "שלום", "\u202eabc", "\x1b[2J", "../../no/such",
    "/etc/passwd",
    "~", ".", "*", "[a]", "%s", "{}", "a,b", 'a"b', "a;b", "a\nb", "a\r\nb", "a\tb", "nan", "None", "-",
    "\ufeff", "0" * 400,
)  # fmt: skip

texts = st.sampled_from(STRANGE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
)
rows = st.lists(
    st.fixed_dictionaries({"id": texts.filter(lambda one: bool(one.strip())), "transcription": texts, "label": texts}),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row["id"],
)
tried = settings(max_examples=CASES, database=None, deadline=10_000, suppress_health_check=list(HealthCheck))


def read(name: str, content: bytes) -> Sequence[Any]:
    """The clips of a manifest that is called this and holds that, or what is said to be wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            return Corpus.from_manifest(path, labels=False).clips
        except InputError as error:
            faults = error.faults
    assert all(fault.startswith(f"{path}: ") and len(fault) < 2000 for fault in faults)
    return faults


def separated(table: Sequence[dict[str, str]], separator: str, line_end: str, quoting: Any) -> str:
    """A table as programs write it."""
    if any(set("\r\n") & set("".join(row.values())) for row in table):
        # the module csv quotes the end of line that it writes itself, and not the others
        quoting = csv.QUOTE_ALL
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(table[0]), delimiter=separator, lineterminator=line_end, quoting=quoting)
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def agrees(clips: Sequence[Any], table: Sequence[dict[str, str]]) -> bool:
    """Whether clips say what was written."""
    written = [(row["id"], row["transcription"], row["label"].strip() or None) for row in table]
    return not is_faults(clips) and [(clip.id, clip.transcription, clip.label) for clip in clips] == written


def is_faults(found: Sequence[Any]) -> bool:
    return bool(found) and isinstance(found[0], str)


@seed(0)
@tried
@given(
    table=rows,
    separator=st.sampled_from(",;\t"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(ENCODINGS),
    form=st.sampled_from([".csv", ".jsonl", ".parquet"]),
)
def _what_is_written(
    table: list[dict[str, str]], separator: str, line_end: str, quoting: Any, encoding: str, form: str
) -> None:
    text = separated(table, separator, line_end, quoting)
    if form == ".csv":
        content = _encoded(text, encoding)
    elif form == ".jsonl":
        content = "\n".join(json.dumps(row) for row in table).encode()
    else:
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), sink)
        content = sink.getvalue()
    found = read(f"manifest{form}", content)
    if form != ".csv" or encoding in KNOWN or content == text.encode():
        assert agrees(found, table), found
    else:
        # bytes of another encoding are refused, unless they happen to be text in this one as well
        assert is_faults(found) or content.decode("utf-8"), found


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode()


def _whole(form: str) -> bytes:
    """A manifest in which nothing is wrong."""
    table = [{"id": f"{i}.wav", "transcription": "qué alegría", "label": "joy", "start": str(i)} for i in range(9)]
    if form == ".jsonl":
        return "\n".join(json.dumps(row) for row in table).encode()
    if form == ".parquet":
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), sink)
        return sink.getvalue()
    return separated(table, "\t" if form == ".tsv" else ",", "\n", csv.QUOTE_MINIMAL).encode()


WHOLE = {form: _whole(form) for form in (".csv", ".tsv", ".jsonl", ".parquet")}
pieces = st.binary(max_size=12) | st.sampled_from(
    [
        b'"',
        b"\n",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b",",
        b"id",
        b"[[[[",
        b"{",
        b"1e999",
        b"9" * 5000,
        b"\xed\xa0\x80",
        b"\r",
    ]
)
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), pieces), min_size=1, max_size=5)


@seed(0)
@tried
@given(form=st.sampled_from(sorted(WHOLE)), changes=edits)
def _what_is_damaged(form: str, changes: list[tuple[float, int, bytes]]) -> None:
    content = WHOLE[form]
    for where, left_out, put_in in changes:
        at = int(where * len(content))
        content = content[:at] + put_in + content[at + left_out :]
    found = read(f"manifest{form}", content)
    assert is_faults(found) or all(clip.id and clip.transcription is not None for clip in found)


@pytest.mark.parametrize("tried_on", [_what_is_written, _what_is_damaged])
def test_a_manifest_is_read_as_it_was_written_or_its_fault_is_named(tried_on: Callable[[], None]) -> None:
    tried_on()
    tally("manifests", injected=CASES, survived=CASES)


HUGE = "x" * 3_000_000
MONSTERS = {
    "a huge id.csv": f"id,label\n{HUGE},joy\n",
    "a huge field.csv": f"id,transcription\na,{HUGE}\n",
    "a huge time.csv": f"id,transcription,start\na,b,{HUGE}\n",
    "a huge header.csv": f"{HUGE},id\n1,2\n",
    "many columns.csv": ",".join(f"c{i}" for i in range(300_000)) + ",id\n",
    "a column again and again.csv": "id," * 5000 + "\n",
    "other columns in each.jsonl": "\n".join(f'{{"id": "{i}", "transcription": "", "c{i}": 1}}' for i in range(9000)),
    "many labels.csv": "id,transcription,label\n" + "".join(f"{i},a,label{i // 3 * 2}\n" for i in range(9000)),
    "huge labels.csv": "id,transcription,label\n" + "".join(f"{i},a,{HUGE[:400_000]}{i // 2}\n" for i in range(5)),
    "open quotes.csv": 'id,label\n"' + "a\n" * 500_000,
    "deep.jsonl": '{"id": ' + "[" * 200_000 + "]" * 200_000 + "}",
    "deep within bounds.jsonl": '{"id": "a", "transcription": "b", "note": ' + "[" * 900 + "]" * 900 + "}",
    "numbers.jsonl": '{"id": 1' + "0" * 5000 + "}\n" + '{"id": 1e999, "transcription": "a", "start": 1e999}',
    "names twice.jsonl": '{"id": "a", "id": "b"}',
    "nothing.csv": "", "nothing.jsonl": "", "nothing.parquet": "", "blank.csv": "\n\n\n", "blank.tsv": "id\n \n",
}  # fmt: skip


@pytest.mark.parametrize("name", MONSTERS)
def test_what_is_monstrous_is_read_or_refused_soon(name: str) -> None:
    found = read(name, MONSTERS[name].encode())
    assert is_faults(found) or len(found) > 0


@pytest.mark.parametrize("cell", STRANGE)
def test_what_looks_like_a_formula_stands_in_tables_as_it_was_given(cell: str) -> None:
    """An id names its clip again only where nothing is put before it."""
    assert next(csv.reader(io.StringIO(csv_row([cell, None]), newline=""))) == [cell, ""]


def test_a_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("id,label\n\x1b[2J\x1b]0;owned\x07a.wav,joy\n\u202egpj.wav,\x9bjoy\n", encoding="utf-8")
    for verb in ("audit", "extract"):
        done = emovoz(verb, str(manifest), "--audio-dir", str(tmp_path))
        assert "\\x1b[2J" in done.stderr + done.stdout
        assert not re.search("[\x07\x1b\x9b\u202e]", done.stderr + done.stdout)
