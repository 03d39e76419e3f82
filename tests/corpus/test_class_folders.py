"""Class folders: what lies in a folder has its name as label; what cannot be meant is left out or refused aloud."""

import os
from collections.abc import Callable
from pathlib import Path

from emovoz import Corpus
from manifests import faults_of, write_tone


def test_files_of_nested_folders_belong_to_the_class_above(tmp_path: Path) -> None:
    for name in ("miedo leve/x/y/b.flac", "miedo leve/a.WAV", "alegría/a.WAV"):
        write_tone(tmp_path / name)
    corpus = Corpus.from_manifest(tmp_path)
    assert [(clip.id, clip.label) for clip in corpus] == [
        ("alegría/a.WAV", "alegría"),
        ("miedo leve/a.WAV", "miedo leve"),
        ("miedo leve/x/y/b.flac", "miedo leve"),
    ]
    assert {clip.transcription for clip in corpus} == {None}
    assert corpus.clips[0].describe() == f"{tmp_path}: alegría/a.WAV"


def test_hidden_files_and_files_that_are_no_audio_are_left_out_and_counted(
    tmp_path: Path, shown: Callable[[], str]
) -> None:
    write_tone(tmp_path / "joy" / "a.wav")
    for name in ("README.md", "manifest.csv", "joy/a.TextGrid", "joy/deeper/a.json", ".hidden", "joy/._a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    write_tone(tmp_path / ".trash" / "b.wav")
    write_tone(tmp_path / "joy" / ".trash" / "b.wav")
    assert [clip.id for clip in Corpus.from_manifest(tmp_path)] == ["joy/a.wav"]
    assert shown() == f"{tmp_path}: files that are no audio, left out: 4, such as README.md\n"


def test_audio_outside_of_the_class_folders_is_refused_file_by_file(tmp_path: Path) -> None:
    for name in ("a.wav", "joy/c.wav", "z.mp4"):
        write_tone(tmp_path / name)
    fault = "lies in no class folder; the name of its folder is the label"
    assert faults_of(tmp_path) == (f"{tmp_path}: a.wav: {fault}", f"{tmp_path}: z.mp4: {fault}")


def test_an_empty_class_folder_is_said(tmp_path: Path, shown: Callable[[], str]) -> None:
    write_tone(tmp_path / "joy" / "a.wav")
    (tmp_path / "fear" / "deeper").mkdir(parents=True)
    assert Corpus.from_manifest(tmp_path).labels == ("joy",)
    assert shown() == f"{tmp_path / 'fear'}: no audio in this class folder\n"


def test_a_folder_without_class_folders_is_refused(tmp_path: Path) -> None:
    assert "no clip: expected a folder for each label" in faults_of(tmp_path)[0]


def test_one_file_in_two_classes_is_refused(tmp_path: Path) -> None:
    write_tone(tmp_path / "fear" / "a.wav")
    (tmp_path / "joy").mkdir()
    (tmp_path / "joy" / "a.wav").symlink_to(tmp_path / "fear" / "a.wav")
    link = tmp_path / "joy" / "a.wav"
    assert faults_of(tmp_path) == (f"{tmp_path}: joy/a.wav: audio {link} was already used on fear/a.wav",)


def test_linked_class_folders_are_followed(tmp_path: Path) -> None:
    write_tone(tmp_path / "elsewhere" / "a.wav")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "joy").symlink_to(tmp_path / "elsewhere")
    assert [clip.id for clip in Corpus.from_manifest(tmp_path / "corpus")] == ["joy/a.wav"]


def test_a_name_that_is_no_valid_text_is_refused(tmp_path: Path) -> None:
    write_tone(tmp_path / "joy" / "b.wav")
    (tmp_path / "joy" / "b.wav").rename(tmp_path / "joy" / os.fsdecode(b"a\xff.wav"))
    (fault,) = faults_of(tmp_path)
    assert "id is no valid text" in fault
