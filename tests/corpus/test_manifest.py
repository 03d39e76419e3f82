"""Manifests: every row is checked, and every fault is told with its row."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emovoz import Corpus
from emovoz.errors import InputError
from manifests import WHOLE, faults_of, write, write_text, write_tone


def test_every_row_from_the_first_on_is_kept_in_order(tmp_path: Path) -> None:
    ids = [f"clip{i}" for i in (3, 1, 2, 0)]
    corpus = Corpus.from_manifest(write(tmp_path, [WHOLE, *([name, "sí", "joy"] for name in ids)]))
    assert [clip.id for clip in corpus] == ids


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


def test_a_fault_of_a_read_clip_still_knows_its_row(tmp_path: Path) -> None:
    corpus = Corpus.from_manifest(write(tmp_path, [WHOLE, ["a", "uno\ndos", "joy"], ["b", "sí", "joy"]]))
    assert [clip.place for clip in corpus] == [f"{tmp_path}/manifest.csv: row {row}" for row in (2, 4)]


def test_column_names_in_capitals_are_explained(tmp_path: Path, shown: Callable[[], str]) -> None:
    (fault,) = faults_of(write_text(tmp_path, "ID;Label;text\na;joy;sí\n"))
    assert "no column 'id' (found 'ID', 'Label': column names are lower case)" in fault
    (fault,) = faults_of(write_text(tmp_path, "id,Label,transcription\na,joy,sí\n"))
    assert "no column 'label' (found 'Label': column names are lower case)" in fault
    (clip,) = Corpus.from_manifest(write_text(tmp_path, " id ,label,transcription,Speaker\na,joy,sí,ana\n"))
    assert (clip.id, clip.speaker) == ("a", None)
    assert "'Speaker': no column with a meaning" in shown()


def test_an_empty_row_is_told_as_such(tmp_path: Path) -> None:
    path = write_text(tmp_path, "id,transcription,label\n,,\na,sí,joy\n , ,\n,,,,\n\n")
    assert faults_of(path) == tuple(f"{path}: row {row}: empty row" for row in (2, 4, 5))


def test_labels_that_differ_in_case_or_blanks_are_said_once_and_kept(tmp_path: Path, shown: Callable[[], str]) -> None:
    labels = ["joy", "Joy", "joy ", "very happy", "very  happy", "anger"]
    path = write(tmp_path, [WHOLE, *([f"c{i}", "sí", label] for i, label in enumerate(labels))])
    corpus = Corpus.from_manifest(path)
    assert corpus.labels == ("Joy", "anger", "joy", "very  happy", "very happy")
    told = "'joy' (2) and 'Joy' (1); 'very happy' (1) and 'very  happy' (1)"
    assert shown() == f"{path}: labels that differ only in case or blanks are different labels: {told}\n"


@pytest.mark.parametrize("spelling", ["a.wav", "./a.wav", "sub/../a.wav", "link.wav", "linked/a.wav"])
def test_the_same_audio_in_two_rows_is_refused_however_it_is_spelt(tmp_path: Path, spelling: str) -> None:
    write_tone(tmp_path / "a.wav")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.wav").symlink_to("a.wav")
    (tmp_path / "linked").symlink_to(".")
    path = write(tmp_path, [["id", "audio", "label"], ["x", "a.wav", "joy"], ["y", spelling, "fear"]])
    assert faults_of(path) == (f"{path}: row 3: audio {tmp_path / spelling} was already used on row 2",)


def test_parts_of_one_recording_are_different_audio_unless_they_are_the_same_part(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    header = ["id", "audio", "label", "start", "end"]
    parts = [("0", "0.05"), ("0.05", "0.1"), ("0.05", ""), ("", "")]
    rows = [[f"c{i}", "a.wav", "joy", *part] for i, part in enumerate(parts)]
    assert len(Corpus.from_manifest(write(tmp_path, [header, *rows]))) == 4
    path = write(tmp_path, [header, *rows, ["again", "a.wav", "joy", "0.050", "0.10"]])
    assert faults_of(path) == (f"{path}: row 6: this part of audio {tmp_path / 'a.wav'} was already used on row 3",)


def test_rows_without_audio_may_share_a_transcription(tmp_path: Path) -> None:
    path = write(tmp_path, [["id", "audio", *WHOLE[1:]], ["a", "x.wav", "sí", "joy"], ["b", "x.wav", "sí", "joy"]])
    assert len(Corpus.from_manifest(path)) == 2


def test_a_row_that_is_there_twice_is_told_once(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    path = write(tmp_path, [["id", "label"], ["a.wav", "joy"], ["a.wav", "joy"]])
    assert faults_of(path) == (f"{path}: row 3: id 'a.wav' was already used on row 2",)


def test_a_manifest_or_an_audio_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    assert "cannot be read" in faults_of(tmp_path / "none.csv")[0]
    path = write(tmp_path, [WHOLE, ["a", "sí", "joy"]])
    assert faults_of(path, tmp_path / "none") == (f"{tmp_path / 'none'}: no such folder of audio files",)


def test_audio_must_exist_only_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    write_tone(folder / "a.wav")
    path = write(tmp_path, [WHOLE, ["a.wav", "sí", "joy"], ["b.wav", "no", "fear"]])
    assert [clip.audio for clip in Corpus.from_manifest(path)] == [None, None]
    assert [clip.audio for clip in Corpus.from_manifest(path, folder, audio=False)] == [
        folder / "a.wav",
        folder / "b.wav",
    ]
    assert faults_of(path, folder) == (f"{path}: row 3: audio file not found: {folder / 'b.wav'}",)
    with pytest.raises(InputError, match=r"row 2: audio file not found"):
        Corpus.from_manifest(path, audio=True)


def test_audio_beside_the_manifest_is_found_and_the_audio_column_goes_before_the_id(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    write_tone(tmp_path / "sub" / "other.wav")
    path = write(tmp_path, [["id", "audio", "label"], ["a.wav", "", "joy"], ["b", "sub/other.wav", "joy"]])
    assert [clip.audio for clip in Corpus.from_manifest(path)] == [tmp_path / "a.wav", tmp_path / "sub" / "other.wav"]


def test_a_clip_needs_words_or_audio(tmp_path: Path) -> None:
    path = write(tmp_path, [["id", "label"], ["a", "joy"]])
    assert faults_of(path) == (f"{path}: row 2: neither audio ({tmp_path / 'a'} does not exist) nor a transcription",)


def test_labels_must_be_there_only_where_they_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, [WHOLE, ["a", "sí", "joy"], ["b", "no", " "]])
    assert faults_of(path) == (f"{path}: row 3: no label",)
    assert [clip.label for clip in Corpus.from_manifest(path, labels=False)] == ["joy", None]


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
    corpus = Corpus.from_manifest(write(tmp_path, [["id", "transcription", "start", "end"], *rows]), labels=False)
    assert [(clip.start, clip.end) for clip in corpus] == [(0.25, 1.5), (None, 2.0), (3.0, None), (None, None)]


def test_known_columns_land_in_the_clip_and_others_in_extra(tmp_path: Path) -> None:
    header = ["label", "take", "id", "speaker", "split", "language", "transcription", "room"]
    corpus = Corpus.from_manifest(
        write(tmp_path, [header, ["joy", "2", "a", "ana", "train", "es", "sí", ""], ["fear", *"3b", *[""] * 5]])
    )
    first, second = corpus
    assert (first.label, first.speaker, first.split, first.language) == ("joy", "ana", "train", "es")
    assert dict(first.extra) == {"take": "2", "room": ""}
    assert (second.id, second.speaker, second.split, second.language) == ("b", None, None, None)
    assert second.transcription == ""
    assert corpus.values("take") == ["2", "3"]


def test_a_row_may_lack_audio_where_its_cell_says_so_but_a_named_file_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    write_tone(tmp_path / "audio" / "a.wav")
    path = tmp_path / "m.csv"
    path.write_text("id,audio,label,transcription\na,a.wav,joy,sí\nb,,joy,hola\n")
    one, other = Corpus.from_manifest(path, tmp_path / "audio")
    assert one.audio == tmp_path / "audio" / "a.wav"
    assert other.audio is None
    path.write_text("id,audio,label,transcription\na,audio/a.wav,joy,sí\nb,audio/b.wav,joy,sí\n")
    with pytest.raises(InputError, match=r"row 3: audio file not found, though others are: .*b\.wav"):
        Corpus.from_manifest(path)


def test_an_id_without_its_ending_and_a_slip_of_the_pen_are_pointed_out(
    tmp_path: Path, shown: Callable[[], str]
) -> None:
    write_tone(tmp_path / "a.wav")
    path = tmp_path / "m.csv"
    path.write_text("id,label\na,joy\n")
    with pytest.raises(InputError, match=r"did you mean 'a\.wav'"):
        Corpus.from_manifest(path, tmp_path)
    path.write_text("id,label,transcription\na,anger,x\nb,anger,y\nc,angr,z\nd,joy,v\n")
    Corpus.from_manifest(path)
    told = shown()
    assert "'angr'" in told
    assert "'joy'" not in told
