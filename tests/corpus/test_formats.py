"""TSV, Parquet, JSON Lines and class folders: the same content gives the same clips, and the same care."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from emovoz import Corpus, InputError
from emovoz.inference.inputs import clips_of
from helpers import emovoz
from manifests import faults_of, write, write_tone

NAMES = ["anger/a.wav", "anger/deeper/b.wav", "joy/a.wav"]


def write_json(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def write_tsv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], Path]] = {
    ".tsv": write_tsv,
    ".tab": write_tsv,
    ".parquet": write_parquet,
    ".jsonl": write_json,
    ".ndjson": write_json,
}


@pytest.fixture
def in_folders(tmp_path: Path) -> Path:
    for name in NAMES:
        write_tone(tmp_path / "corpus" / name)
    return tmp_path / "corpus"


def test_one_corpus_in_five_forms_gives_equal_clips(in_folders: Path) -> None:
    rows = [{"id": name, "label": name.split("/")[0]} for name in NAMES]
    forms = [in_folders, write(in_folders, [["id", "label"], *(list(row.values()) for row in rows)])]
    forms += [WRITERS[suffix](in_folders / f"m{suffix}", rows) for suffix in WRITERS]
    first, *others = ([replace(clip, place=None) for clip in Corpus.from_manifest(form)] for form in forms)
    assert [(clip.id, clip.label, clip.audio) for clip in first] == [
        (row["id"], row["label"], in_folders / row["id"]) for row in rows
    ]
    for clips in others:
        assert clips == first


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_column_means_the_same_in_every_table(tmp_path: Path, suffix: str) -> None:
    row = {
        "id": "ñ",
        "start": "0.1",
        "end": "2",
        "transcription": 'dijo "sí",\tya\u2028no\ny\r\nmás 😀',
        "label": " joy ",
        "speaker": "ana",
        "split": "dev",
        "language": "es",
        "take": " 2 ",
    }
    rows = [row, dict.fromkeys(row, "") | {"id": "b", "label": "fear"}]
    table = WRITERS[suffix](tmp_path / f"m{suffix}", rows)
    plain = write(tmp_path, [list(row), *(list(one.values()) for one in rows)])
    clips, expected = Corpus.from_manifest(table), Corpus.from_manifest(plain)
    assert [replace(clip, place=None) for clip in clips] == [replace(clip, place=None) for clip in expected]
    assert clips.clips[0].transcription == row["transcription"]
    assert clips.clips[1].transcription == ""


@pytest.mark.parametrize(
    ("suffix", "first", "last"),
    [(".tsv", "row 2", "row 4"), (".parquet", "row 1", "row 3"), (".jsonl", "line 1", "line 3")],
)
def test_rows_are_counted_as_a_reader_of_the_file_counts_them(
    tmp_path: Path, suffix: str, first: str, last: str
) -> None:
    told = [("a", ""), ("b", "joy"), ("a", "joy")]
    rows = [{"id": name, "transcription": "sí", "label": label} for name, label in told]
    path = WRITERS[suffix](tmp_path / f"m{suffix}", rows)
    assert faults_of(path) == (f"{path}: {first}: no label", f"{path}: {last}: id 'a' was already used on {first}")
    (clip,) = Corpus.from_manifest(WRITERS[suffix](path, rows[1:2]))
    assert clip.place == f"{path}: {first}"


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_values_that_are_no_text_become_what_a_person_would_write(tmp_path: Path, suffix: str) -> None:
    names = ["id", "label", "start", "end", "speaker", "loud", "share", "transcription"]
    values: list[list[Any]] = [[1, 3, 0.1, 12, 7.0, True, 0.25, "sí"], [2, 4, None, None, None, None, None, None]]
    rows = [dict(zip(names, row, strict=True)) for row in values]
    write_tone(tmp_path / "2")
    first, second = Corpus.from_manifest(WRITERS[suffix](tmp_path / f"m{suffix}", rows))
    assert (first.id, first.label, first.speaker) == ("1", "3", "7")
    assert (first.start, first.end) == (0.1, 12.0)
    assert dict(first.extra) == {"loud": "true", "share": "0.25"}
    assert (second.start, second.end, second.speaker, second.transcription) == (None, None, None, None)
    assert dict(second.extra) == {"loud": "", "share": ""}


def test_other_types_of_parquet_are_read_too(tmp_path: Path) -> None:
    table = pyarrow.table(
        {
            "id": pyarrow.array([b"a", b"b"], pyarrow.binary()),
            "label": pyarrow.array(["joy", "fear"]).dictionary_encode(),
            "transcription": pyarrow.array(["sí", None], pyarrow.large_string()),
            "end": pyarrow.array([1.5, float("nan")], pyarrow.float64()),
            "start": pyarrow.array(["0.25", "0.5"]).cast(pyarrow.decimal128(5, 3)),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "m.parquet")
    write_tone(tmp_path / "b")
    first, second = Corpus.from_manifest(tmp_path / "m.parquet")
    assert (first.id, first.label, first.transcription, first.start, first.end) == ("a", "joy", "sí", 0.25, 1.5)
    assert (second.id, second.transcription, second.start, second.end) == ("b", None, 0.5, None)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_a_nested_value_is_a_fault_only_where_the_column_has_a_meaning(tmp_path: Path, suffix: str) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "transcription": "sí", "label": "joy", "tags": ["x", "ñ"]}]
    (clip,) = Corpus.from_manifest(WRITERS[suffix](tmp_path / f"m{suffix}", rows))
    assert clip.extra["tags"] == '["x", "ñ"]'
    path = WRITERS[suffix](tmp_path / f"m{suffix}", [{**rows[0], "label": {"name": "joy"}}])
    (fault,) = faults_of(path)
    assert fault.endswith('1: label must be one value, not {"name": "joy"}')
    (fault,) = faults_of(WRITERS[suffix](path, [{**rows[0], "audio": {"bytes": "RIFF " * 10000}}]))
    assert "audio must be one value" in fault
    assert len(fault) < 300


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_a_row_of_nothing_is_an_empty_row(tmp_path: Path, suffix: str) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "label": "joy", "transcription": "sí"}, {"id": None, "label": ""}]
    (fault,) = faults_of(WRITERS[suffix](tmp_path / f"m{suffix}", rows))
    assert fault.endswith("2: empty row")


def test_what_is_no_valid_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"id": "a", "transcription": "\\ud800", "label": "joy"}\n{"id": "b\\u0000", "label": "joy"}\n')
    assert faults_of(path) == (
        f"{path}: line 1: transcription is no valid text: '\\ud800'",
        f"{path}: line 2: id is no valid text: 'b\\x00'",
    )


def test_lines_that_are_no_json_object_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    sound = '{"id": "a", "transcription": "sí", "label": "joy"}'
    path.write_text("\n".join([sound, "", '["b"]', '{"id": "c"', '{"id": "d", "id": "e"}', "7", '{"label": "joy"}']))
    faults = faults_of(path)
    assert [fault.removeprefix(f"{path}: ").split(":")[0] for fault in faults] == [
        f"line {n}" for n in (3, 4, 5, 6, 7, 7)
    ]
    assert "not a JSON object" in faults[0]
    assert "not JSON (Expecting ',' delimiter, character 11)" in faults[1]
    assert "a name twice" in faults[2]
    assert "no id" in faults[4]


def test_a_file_that_only_bears_the_name_is_told_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("id,label\na,joy\n")
    first, second = faults_of(path)
    assert first.startswith(f"{path}: line 1: not JSON")
    assert second.startswith(f"{path}: line 2: not JSON")


def test_a_line_may_leave_out_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(
        '{"id": "a", "transcription": "sí", "take": "2"}\r\n{"id": "b", "transcription": "no", "label": "joy"}\r\n'
    )
    first, second = Corpus.from_manifest(path, labels=False)
    assert (first.label, dict(first.extra)) == (None, {"take": "2"})
    assert (second.label, dict(second.extra)) == ("joy", {})


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_cut_parquet_file_is_one_sentence(tmp_path: Path, share: float) -> None:
    rows = [{"id": f"c{i}", "transcription": "sí " * i, "label": "joy"} for i in range(100)]
    path = write_parquet(tmp_path / "m.parquet", rows)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    (fault,) = faults_of(path)
    assert fault.startswith(f"{path}: not a Parquet file, or a damaged one")
    assert "\n" not in fault


def test_a_parquet_file_with_damaged_pages_is_one_sentence(tmp_path: Path) -> None:
    rows = [{"id": f"c{i}", "transcription": "sí " * i, "label": "joy"} for i in range(100)]
    path = write_parquet(tmp_path / "m.parquet", rows)
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(range(200, 256))
    path.write_bytes(data)
    (fault,) = faults_of(path)
    assert fault.startswith(f"{path}: not a Parquet file, or a damaged one")


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_table_without_the_needed_columns_is_refused(tmp_path: Path, suffix: str) -> None:
    path = WRITERS[suffix](tmp_path / f"m{suffix}", [{"ID": "a", "transcription": "sí"}])
    (fault,) = faults_of(path)
    assert "no column 'id' (found 'ID': column names are lower case)" in fault


@pytest.mark.parametrize("name", ["m.xlsx", "m.json", "m"])
def test_another_kind_of_file_is_refused_with_those_that_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("id,label\na,joy\n")
    (fault,) = faults_of(tmp_path / name)
    assert ".csv, .tsv, .tab, .parquet, .jsonl, .ndjson, or a folder" in fault
    assert "cannot be read" in faults_of(tmp_path / "nowhere")[0]


@pytest.mark.parametrize("suffix", WRITERS)
def test_predict_takes_a_table_for_a_manifest_and_a_folder_for_files(in_folders: Path, suffix: str) -> None:
    table = WRITERS[suffix](in_folders.parent / f"m{suffix}", [{"id": "joy/a.wav", "transcription": "sí"}])
    (clip,) = clips_of(table, audio_dir=in_folders)
    assert (clip.audio, clip.transcription) == (in_folders / "joy" / "a.wav", "sí")
    assert [(clip.id, clip.label) for clip in clips_of(in_folders)] == [(name, None) for name in NAMES]


def test_the_command_line_takes_class_folders(in_folders: Path, tiny_whisper: Path, tmp_path: Path) -> None:
    (in_folders / "joy" / "notes.txt").write_text("take two is better")
    arguments = ["--recipe", "speech", "--set", f"speech.model={tiny_whisper}", "--set", "speech.layers=all"]
    done = emovoz("extract", str(in_folders), *arguments, "--store", str(tmp_path / "store"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 clips (1 new speech)")
    assert "files that are no audio, left out: 1, such as joy/notes.txt" in done.stderr
    with pytest.raises(InputError, match="give no other folder"):
        Corpus.from_manifest(in_folders, in_folders)
