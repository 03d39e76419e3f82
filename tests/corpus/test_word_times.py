"""Word times in a manifest: read from every table, and every fault told with its row."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from emovoz import Corpus
from manifests import faults_of, write

TIMES = ((0.1, 0.4), (0.4, 0.9))
HEADER = ["id", "transcription", "label", "word_times"]


def rows(*cells: str, words: str = "qué alegría") -> list[list[str]]:
    return [HEADER, *([f"c{i}", words, "joy", cell] for i, cell in enumerate(cells))]


def test_times_are_read_from_a_cell_and_an_empty_one_says_nothing(tmp_path: Path) -> None:
    corpus = Corpus.from_manifest(write(tmp_path, rows("[[0.1, 0.4], [0.4, 0.9]]", "", " ")))
    assert [clip.word_times for clip in corpus] == [TIMES, None, None]
    assert all("word_times" not in clip.extra for clip in corpus)


def test_without_the_column_nothing_is_asked(tmp_path: Path) -> None:
    (clip,) = Corpus.from_manifest(write(tmp_path, [HEADER[:3], ["a", "qué alegría", "joy"]]))
    assert clip.word_times is None


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_lists_of_other_tables_mean_the_same(tmp_path: Path, suffix: str) -> None:
    row: dict[str, Any] = {"id": "a", "transcription": "qué alegría", "label": "joy", "word_times": TIMES}
    path = tmp_path / f"m{suffix}"
    if suffix == ".parquet":
        lists = {**row, "word_times": [list(pair) for pair in TIMES]}
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([lists]), path)
    else:
        path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    (clip,) = Corpus.from_manifest(path)
    assert clip.word_times == TIMES


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("0.1 0.4", "word_times is not a JSON list, such as [[0.1, 0.4], [0.4, 0.9]]"),
        ('{"a": 1}', "word_times is not a JSON list, such as [[0.1, 0.4], [0.4, 0.9]]"),
        ("[[0.1, 0.4], 3]", "word_times: 3 is not [start, end] in seconds"),
        ("[[0.1, -0.4], [1, 2]]", "word_times: [0.1, -0.4] is not [start, end] in seconds"),
        ("[[0.1, NaN], [1, 2]]", "word_times: [0.1, NaN] is not [start, end] in seconds"),
        ('[["0", "1"], [1, 2]]', 'word_times: ["0", "1"] is not [start, end] in seconds'),
        ("[[0, 1]]", "word_times has 1 pair for 2 words; it needs one for each word between blanks"),
        ("[[0, 1], [2, 1.5]]", "word_times: 'alegría' ends (1.5) before it starts (2.0)"),
        ("[[1, 2], [0.5, 3]]", "word_times: 'alegría' starts (0.5) before the word in front of it (1.0)"),
    ],
)
def test_a_fault_is_told_with_its_row(tmp_path: Path, cell: str, fault: str) -> None:
    path = write(tmp_path, rows("[[0, 1], [1, 2]]", cell))
    assert faults_of(path) == (f"{path}: row 3: {fault}",)


def test_times_without_words_are_a_fault_unless_there_are_none(tmp_path: Path) -> None:
    path = write(tmp_path, rows("[]", "[[0, 1]]", words=""))
    assert faults_of(path) == (
        f"{path}: row 3: word_times has 1 pair for 0 words; it needs one for each word between blanks",
    )


def test_times_count_from_the_start_of_the_clip_and_not_of_its_recording(tmp_path: Path) -> None:
    header = [*HEADER, "start", "end"]
    good = ["a", "qué alegría", "joy", "[[0, 1], [1.9, 2.1]]", "60", "62"]
    bad = ["b", "qué alegría", "joy", "[[60, 61], [61, 62]]", "60", "62"]
    path = write(tmp_path, [header, good, bad])
    assert faults_of(path) == (
        f"{path}: row 3: word_times: 'qué' starts at 60.0 s, but the clip lasts 2 s; "
        "times count from the start of the clip",
    )
