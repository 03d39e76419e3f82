"""CSV: what is written is read to the character, whatever the program that saved it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emovoz import Corpus
from manifests import WHOLE, faults_of, write, write_text


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_ending_and_blank_lines_are_read(tmp_path: Path, ending: str) -> None:
    path = write_text(tmp_path, ending.join(["id,transcription,label", "a,sí,joy", "", "b,no,fear"]))
    assert [(clip.id, clip.label) for clip in Corpus.from_manifest(path)] == [("a", "joy"), ("b", "fear")]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(b"\xef\xbb\xbfid,transcription,label\na,s\xc3\xad,joy\n")
    (clip,) = Corpus.from_manifest(path)
    assert (clip.id, clip.transcription) == ("a", "sí")


def test_text_that_is_not_utf8_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes("id,transcription,label\na,si,joy\nb,sí,joy\n".encode("latin-1"))
    assert faults_of(path) == (
        f"{path}: row 3: byte 0xED is not UTF-8 text; save it as UTF-8 (in Excel: Save as, CSV UTF-8)",
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_the_row_of_a_wrong_byte_is_right_for_every_line_ending_and_with_a_mark(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(
        b"\xef\xbb\xbf" + ending.join(["id,transcription,label", "a,si,joy", "b,s\xed,joy"]).encode("latin-1")
    )
    (fault,) = faults_of(path)
    assert "row 3: byte 0xED" in fault


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_with_a_mark_is_read_and_said(tmp_path: Path, encoding: str, shown: Callable[[], str]) -> None:
    path = tmp_path / "manifest.csv"
    mark = "" if encoding == "utf-16" else "\ufeff"
    path.write_bytes((mark + "id,transcription,label\na,¿sí? 😀,joy\n").encode(encoding))
    (clip,) = Corpus.from_manifest(path)
    assert (clip.id, clip.transcription) == ("a", "¿sí? 😀")
    assert shown() == f"{path}: read as UTF-16 text\n"


def test_utf16_that_is_cut_or_has_no_mark_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    text = "id,transcription,label\na,ya,joy\n"
    path.write_bytes(text.encode("utf-16")[:-1])
    assert "is not UTF-16 text" in faults_of(path)[0]
    path.write_bytes(text.encode("utf-16-le"))
    assert "row 1: a NUL byte" in faults_of(path)[0]


def test_a_nul_byte_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write_text(tmp_path, "id,transcription,label\na,sí,joy\nb,n\0o,joy\n")
    (fault,) = faults_of(path)
    assert fault.startswith(f"{path}: row 3: a NUL byte")


@pytest.mark.parametrize(
    ("separator", "words", "name"), [(";", "uno, dos\ttres", "semicolons"), ("\t", "uno, dos; tres", "tabs")]
)
def test_the_header_decides_the_separator_and_it_is_said(
    tmp_path: Path, separator: str, words: str, name: str, shown: Callable[[], str]
) -> None:
    rows = [WHOLE, ["a", words, "joy"], ["b", "no", "fear"]]
    path = write_text(tmp_path, "\n".join(separator.join(row) for row in rows))
    assert [[clip.id, clip.transcription, clip.label] for clip in Corpus.from_manifest(path)] == rows[1:]
    assert shown() == f"{path}: read with its columns separated by {name}\n"


def test_a_header_with_commas_is_never_taken_for_another(tmp_path: Path, shown: Callable[[], str]) -> None:
    path = write_text(tmp_path, "id,a;b,label,transcription\nx,1;2,joy,hola; adiós\n")
    (clip,) = Corpus.from_manifest(path)
    assert (clip.transcription, dict(clip.extra)) == ("hola; adiós", {"a;b": "1;2"})
    assert shown() == ""


@pytest.mark.parametrize(("cell", "row"), [("una línea", 3), ("dos\nlíneas", 4), ("tres\r\nlíneas\r\nya", 5)])
def test_a_row_is_named_by_the_line_it_starts_on(tmp_path: Path, cell: str, row: int) -> None:
    path = write(tmp_path, [WHOLE, ["a", cell, "joy"], ["b", "más\nlíneas", ""]])
    assert faults_of(path) == (f"{path}: row {row}: no label",)


@pytest.mark.parametrize("cell", ["uno\u2028dos", "uno\fdos", "uno\x85dos"])
def test_separators_that_are_no_line_ends_do_not_count_as_rows(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, [WHOLE, ["a", cell, "joy"], ["b", "sí", ""]])
    assert faults_of(path) == (f"{path}: row 3: no label",)


def test_an_open_quotation_mark_is_told_beside_the_faults_before_it(tmp_path: Path) -> None:
    path = write_text(tmp_path, 'id,transcription,label\na,sí,\nb,"abierta,joy\n')
    first, second = faults_of(path)
    assert first == f"{path}: row 2: no label"
    assert "row 3: not valid CSV" in second
    assert "quotation mark" in second


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
    corpus = Corpus.from_manifest(write(tmp_path, [WHOLE, ["a", words, "joy"], ["b", "después", "fear"]]))
    assert [(clip.id, clip.transcription, clip.label) for clip in corpus] == [
        ("a", words, "joy"),
        ("b", "después", "fear"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name;label\na;joy\n", "no column 'id' (found: name;label)"),
        ("", "no column 'id' (found: nothing)"),
        ("id,label,text,label\na,joy,x,fear\n", "names a column twice: label"),
        ("name|label\na|joy\n", "separated by commas, semicolons or tabs"),
        ('"id,label\na,joy\n', "row 1: no header"),
        ("\nid,label\na,joy\n", "row 1: no header"),
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
