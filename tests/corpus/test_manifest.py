"""Manifests: what is written is read to the character, and every fault is told with its row."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz import Corpus
from emovoz.corpus import Clip
from emovoz.errors import InputError

WHOLE = ["id", "transcription", "label"]


def write(folder: Path, rows: Sequence[Sequence[str]], name: str = "manifest.csv") -> Path:
    """A manifest as a spreadsheet saves it."""
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def write_text(folder: Path, text: str) -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(text.encode())
    return path


def write_tone(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(1600)), 16000)


def faults_of(path: Path, audio_dir: Path | None = None, *, labels: bool = True) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        Corpus.from_csv(path, audio_dir, labels=labels)
    return caught.value.faults


@pytest.mark.parametrize(
    "words",
    [
        "uno, dos, tres",
        'dijo "hola" y se fue',
        '"',
        "con\ttabulador",
        "dos\nlíneas",
        "dos\r\nlíneas",
        "retorno\rsolo",
        "uno\u2028dos\u2029tres",
        "página\fnueva\vy\x85más",
        "  con espacios  ",
        "¡Qué alegría! 😀",
        "'; DROP TABLE clips; --",
        "",
    ],
)
def test_a_transcription_comes_back_to_the_character(tmp_path: Path, words: str) -> None:
    corpus = Corpus.from_csv(write(tmp_path, [WHOLE, ["a", words, "joy"], ["b", "después", "fear"]]))
    assert [(clip.id, clip.transcription, clip.label) for clip in corpus] == [
        ("a", words, "joy"),
        ("b", "después", "fear"),
    ]


def test_every_row_from_the_first_on_is_kept_in_order(tmp_path: Path) -> None:
    ids = [f"clip{i}" for i in (3, 1, 2, 0)]
    corpus = Corpus.from_csv(write(tmp_path, [WHOLE, *([name, "sí", "joy"] for name in ids)]))
    assert [clip.id for clip in corpus] == ids


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_ending_and_blank_lines_are_read(tmp_path: Path, ending: str) -> None:
    path = write_text(tmp_path, ending.join(["id,transcription,label", "a,sí,joy", "", "b,no,fear"]))
    assert [(clip.id, clip.label) for clip in Corpus.from_csv(path)] == [("a", "joy"), ("b", "fear")]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(b"\xef\xbb\xbfid,transcription,label\na,s\xc3\xad,joy\n")
    (clip,) = Corpus.from_csv(path)
    assert (clip.id, clip.transcription) == ("a", "sí")


def test_all_faults_of_several_rows_are_told_at_once_each_with_its_row(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        [
            ["id", "transcription", "label", "start", "end"],
            ["a", "bien", "joy", "0", "1.5"],
            ["a", "otra vez", "joy", "", ""],
            ["b", "", "", "-1", ""],
            ["c", "sin", "joy"],
            ["", "sí", "joy", "2", "1"],
        ],
    )
    assert faults_of(path) == (
        f"{path}: row 3: id 'a' was already used on row 2",
        f"{path}: row 4: no label",
        f"{path}: row 4: start is not a time in seconds: '-1'",
        f"{path}: row 5: 3 fields where the header has 5",
        f"{path}: row 6: no id",
        f"{path}: row 6: end (1) is not after start (2)",
    )


@pytest.mark.parametrize(("cell", "row"), [("una línea", 3), ("dos\nlíneas", 4), ("tres\r\nlíneas\r\nya", 5)])
def test_a_row_is_named_by_the_line_it_starts_on(tmp_path: Path, cell: str, row: int) -> None:
    path = write(tmp_path, [WHOLE, ["a", cell, "joy"], ["b", "más\nlíneas", ""]])
    assert faults_of(path) == (f"{path}: row {row}: no label",)


@pytest.mark.parametrize("cell", ["uno\u2028dos", "uno\fdos", "uno\x85dos"])
def test_separators_that_are_no_line_ends_do_not_count_as_rows(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, [WHOLE, ["a", cell, "joy"], ["b", "sí", ""]])
    assert faults_of(path) == (f"{path}: row 3: no label",)


def test_a_fault_of_a_read_clip_still_knows_its_row(tmp_path: Path) -> None:
    corpus = Corpus.from_csv(write(tmp_path, [WHOLE, ["a", "uno\ndos", "joy"], ["b", "sí", "joy"]]))
    assert [clip.place for clip in corpus] == [f"{tmp_path}/manifest.csv: row {row}" for row in (2, 4)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name;label\na;joy\n", "no column 'id' (found: name;label)"),
        ("", "no column 'id' (found: nothing)"),
        ("id,label,text,label\na,joy,x,fear\n", "names a column twice: label"),
        ("id,transcription,label\n", "no clip: the file has a header and no rows"),
        ("id,transcription,label\na,hola, qué tal,joy\n", "row 2: 4 fields where the header has 3"),
        ("id,transcription,label\na,hola\n", "row 2: 2 fields where the header has 3"),
        ('id,transcription,label\na,sí,joy\nb,"abierta,joy\nc,no,joy\n', "row 3: not valid CSV"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = write_text(tmp_path, text)
    (fault,) = faults_of(path)
    assert fault.startswith(f"{path}: ")
    assert expected in fault


def test_an_open_quotation_mark_is_told_beside_the_faults_before_it(tmp_path: Path) -> None:
    path = write_text(tmp_path, 'id,transcription,label\na,sí,\nb,"abierta,joy\n')
    first, second = faults_of(path)
    assert first == f"{path}: row 2: no label"
    assert "row 3: not valid CSV" in second
    assert "quotation mark" in second


def test_text_that_is_not_utf8_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes("id,transcription,label\na,si,joy\nb,sí,joy\n".encode("latin-1"))
    assert faults_of(path) == (f"{path}: row 3: not UTF-8 text; save the file as UTF-8",)


def test_a_manifest_or_an_audio_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    assert "cannot be read" in faults_of(tmp_path / "none.csv")[0]
    path = write(tmp_path, [WHOLE, ["a", "sí", "joy"]])
    assert faults_of(path, tmp_path / "none") == (f"{tmp_path / 'none'}: no such folder of audio files",)


def test_audio_must_exist_only_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    write_tone(folder / "a.wav")
    path = write(tmp_path, [WHOLE, ["a.wav", "sí", "joy"], ["b.wav", "no", "fear"]])
    assert [clip.audio for clip in Corpus.from_csv(path)] == [None, None]
    assert [clip.audio for clip in Corpus.from_csv(path, folder, audio=False)] == [folder / "a.wav", folder / "b.wav"]
    assert faults_of(path, folder) == (f"{path}: row 3: audio file not found: {folder / 'b.wav'}",)
    with pytest.raises(InputError, match=r"row 2: audio file not found"):
        Corpus.from_csv(path, audio=True)


def test_audio_beside_the_manifest_is_found_and_the_audio_column_goes_before_the_id(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    write_tone(tmp_path / "sub" / "other.wav")
    path = write(tmp_path, [["id", "audio", "label"], ["a.wav", "", "joy"], ["b", "sub/other.wav", "joy"]])
    assert [clip.audio for clip in Corpus.from_csv(path)] == [tmp_path / "a.wav", tmp_path / "sub" / "other.wav"]


def test_a_clip_needs_words_or_audio(tmp_path: Path) -> None:
    path = write(tmp_path, [["id", "label"], ["a", "joy"]])
    assert faults_of(path) == (f"{path}: row 2: neither audio ({tmp_path / 'a'} does not exist) nor a transcription",)


def test_labels_must_be_there_only_where_they_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, [WHOLE, ["a", "sí", "joy"], ["b", "no", " "]])
    assert faults_of(path) == (f"{path}: row 3: no label",)
    assert [clip.label for clip in Corpus.from_csv(path, labels=False)] == ["joy", None]


@pytest.mark.parametrize("cell", ["abc", "-0.5", "nan", "inf", "1,5", "0:01"])
@pytest.mark.parametrize("column", ["start", "end"])
def test_what_is_no_time_is_refused(tmp_path: Path, column: str, cell: str) -> None:
    path = write(tmp_path, [["id", "transcription", column], ["a", "sí", cell]])
    assert faults_of(path, labels=False) == (f"{path}: row 2: {column} is not a time in seconds: {cell!r}",)


@pytest.mark.parametrize(("start", "end"), [("2", "1"), ("1", "1"), ("1.5", "0.5"), ("", "0"), ("0", "0"), ("2", "0")])
def test_an_end_that_is_not_after_the_start_is_refused(tmp_path: Path, start: str, end: str) -> None:
    path = write(tmp_path, [["id", "transcription", "start", "end"], ["a", "sí", start, end]])
    assert faults_of(path, labels=False) == (f"{path}: row 2: end ({end}) is not after start ({start or 0})",)


def test_times_are_seconds_and_an_empty_cell_is_no_bound(tmp_path: Path) -> None:
    rows = [["a", "sí", "0.25", "1.5"], ["b", "sí", "", "2"], ["c", "sí", "3", ""], ["d", "sí", "", ""]]
    corpus = Corpus.from_csv(write(tmp_path, [["id", "transcription", "start", "end"], *rows]), labels=False)
    assert [(clip.start, clip.end) for clip in corpus] == [(0.25, 1.5), (None, 2.0), (3.0, None), (None, None)]


def test_known_columns_land_in_the_clip_and_others_in_extra(tmp_path: Path) -> None:
    header = ["label", "take", "id", "speaker", "split", "language", "transcription", "room"]
    corpus = Corpus.from_csv(
        write(tmp_path, [header, ["joy", "2", "a", "ana", "train", "es", "sí", ""], ["fear", *"3b", *[""] * 5]])
    )
    first, second = corpus
    assert (first.label, first.speaker, first.split, first.language) == ("joy", "ana", "train", "es")
    assert dict(first.extra) == {"take": "2", "room": ""}
    assert (second.id, second.speaker, second.split, second.language) == ("b", None, None, None)
    assert second.transcription == ""
    assert corpus.values("take") == ["2", "3"]


def small_corpus() -> Corpus:
    return Corpus(
        [
            Clip("a", transcription="sí", label="joy", split="train", speaker="ana", extra={"room": "1"}),
            Clip("b", transcription="no", label="anger", split="test", speaker="luis", extra={"room": ""}),
            Clip("c", transcription="ya", label="joy", split="train", place="m.csv: row 4"),
        ]
    )


def test_split_takes_its_clips_and_an_unknown_one_names_those_there(tmp_path: Path) -> None:
    assert [clip.id for clip in small_corpus().split("train")] == ["a", "c"]
    with pytest.raises(InputError, match=r"no clip belongs to split 'dev'; the splits there are: test, train"):
        small_corpus().split("dev")
    with pytest.raises(InputError, match=r"the splits there are: none"):
        Corpus([Clip("a", transcription="sí")]).split("train")


def test_excluded_labels_are_gone_from_clips_and_labels() -> None:
    kept = small_corpus().without("joy")
    assert [clip.id for clip in kept] == ["b"]
    assert kept.labels == ("anger",)


def test_excluding_an_unknown_label_or_all_of_them_is_an_error() -> None:
    with pytest.raises(InputError) as caught:
        small_corpus().without("Joy", "joy", "rage")
    assert caught.value.faults == tuple(f"no clip is labelled {name!r}; labels: anger, joy" for name in ("Joy", "rage"))
    with pytest.raises(InputError, match="no clip is left"):
        small_corpus().without("joy", "anger")


def test_values_names_every_clip_that_says_nothing() -> None:
    with pytest.raises(InputError) as caught:
        small_corpus().values("room")
    assert caught.value.faults == ("b: nothing in column 'room'", "m.csv: row 4: c: nothing in column 'room'")
    with pytest.raises(InputError, match="the corpus has no column 'accent'"):
        small_corpus().values("accent")
    assert small_corpus().values("label") == ["joy", "anger", "joy"]


def test_clips_made_in_code_must_have_different_ids() -> None:
    with pytest.raises(InputError, match="a: this id occurs 2 times"):
        Corpus([Clip("a", transcription="sí"), Clip("b", transcription="sí"), Clip("a", transcription="no")])


def test_the_fingerprint_follows_the_labels_and_not_the_place_of_the_files(tmp_path: Path) -> None:
    prints = []
    for place, label in (("here", "joy"), ("there", "joy"), ("here", "fear")):
        folder = tmp_path / place
        write_tone(folder / "a.wav")
        manifest = write(folder, [WHOLE, ["a.wav", "sí", label], ["b.wav", "no", "joy"]])
        prints.append(Corpus.from_csv(manifest, folder, audio=False).fingerprint)
    here, there, relabelled = prints
    assert here == there
    assert here != relabelled


def test_the_fingerprint_does_not_depend_on_the_order_of_the_rows(tmp_path: Path) -> None:
    corpus = small_corpus()
    assert corpus.select([2, 0, 1]).fingerprint == corpus.fingerprint
    assert corpus.select([0, 1]).fingerprint != corpus.fingerprint
