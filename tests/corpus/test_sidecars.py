"""Words in a text file beside a recording."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz import Clip
from emovoz.inference import clips_of
from emovoz.inference.inputs import with_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    return tmp_path


def only(folder: Path) -> Clip:
    (clip,) = clips_of(folder / "a.wav")
    return clip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_they_are_taken_on_their_own_and_in_a_folder(folder: Path, encoding: str) -> None:
    (folder / "a.txt").write_text("¡Qué\n alegría!\n", encoding=encoding)
    assert only(folder).transcription == "¡Qué alegría!"
    assert [(clip.id, clip.transcription) for clip in clips_of(folder)] == [
        ("a.wav", "¡Qué alegría!"),
        ("b.wav", None),
    ]


def test_a_text_without_a_recording_is_still_told_of(folder: Path) -> None:
    (folder / "notes.txt").write_text("not beside anything")
    assert [clip.id for clip in clips_of(folder)] == ["a.wav", "b.wav", "notes.txt"]


@pytest.mark.parametrize("content", ["alegría".encode("latin-1"), "alegría".encode("utf-16"), "no".encode("utf-16-le")])
def test_what_is_no_utf_8_is_a_fault_of_the_clip_unless_other_words_are_given(folder: Path, content: bytes) -> None:
    (folder / "a.txt").write_bytes(content)
    assert only(folder).transcription is None
    assert "a.txt beside it" in str(only(folder).transcription_fault)
    (told,) = with_text([only(folder)], "Sí.")
    assert (told.transcription, told.transcription_fault) == ("Sí.", None)


def test_a_manifest_goes_before_them_and_parts_of_a_recording_have_none(folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("beside")
    (folder / "m.csv").write_text("id,audio,end,transcription\na.wav,,,given\nb.wav,,,\nc,a.wav,0.5,\n")
    assert [clip.transcription for clip in clips_of(folder / "m.csv")] == ["given", "beside", ""]
