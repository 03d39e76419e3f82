"""A manifest whose missing words are recognised."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from emovoz import Corpus
from emovoz.transcription import Transcriber
from emovoz.transcription.manifest import transcribe_manifest
from helpers import emovoz, write_manifest

pytest.importorskip("faster_whisper", reason="the extra asr is not installed")


def head(manifest: Path, language: str | None) -> dict[str, str | None]:
    """How a file begins that a stopped run has left."""
    return {"asr": "whisper-base", "language": language, "manifest": str(manifest)}


@pytest.fixture
def manifest(demo: Corpus, tmp_path: Path) -> Path:
    """Clips with words, without, and one that cannot be heard."""
    (clip,) = (clip for clip in demo if clip.id == "voice05_joy_2.ogg")
    assert isinstance(clip.audio, Path)
    for name in ("given.ogg", "mute.ogg"):
        shutil.copy(clip.audio, tmp_path / name)
    (tmp_path / "cut.ogg").write_bytes(clip.audio.read_bytes()[:1000])
    rows = [("given.ogg", "¡Dicho!", "a, b"), ("mute.ogg", "", "c"), ("cut.ogg", "", "")]
    return write_manifest(
        tmp_path / "m.csv", [dict(zip(("id", "transcription", "note"), row, strict=True)) for row in rows]
    )


def test_words_and_times_are_filled_in_and_all_else_stays(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    kept = tmp_path / "out.csv.part"
    # left by a run that was stopped in the middle of a line
    kept.write_text(json.dumps(head(manifest, "es")) + '\n["mute.o')
    done = emovoz("transcribe", str(manifest), "--out", str(out), "--language", "es")
    assert done.returncode == 2
    assert "row 4: cut.ogg" in done.stderr
    with out.open(encoding="utf-8", newline="") as file:
        given, mute, cut = csv.DictReader(file)
    assert list(given) == ["id", "transcription", "note", "word_times", "language"]
    assert (given["transcription"], given["note"], given["word_times"]) == ("¡Dicho!", "a, b", "")
    assert (mute["transcription"], mute["language"]) == ("Dijo que sí, nos casamos en mayo.", "es")
    assert cut["transcription"] == ""
    assert not kept.exists()
    # what was written is a manifest, its times those of its words
    clips = Corpus.from_manifest(out, labels=False).clips
    assert len(clips[1].word_times or ()) == 7


def test_what_was_recognised_is_not_recognised_again(manifest: Path, tmp_path: Path) -> None:
    kept = {"transcription": "Ya estaba.", "word_times": "", "language": "es"}
    for other, there in ((manifest, True), (tmp_path / "other.csv", False)):
        lines = [head(other, None), ["mute.ogg", kept], ["cut.ogg", {}]]
        (tmp_path / "out.csv.part").write_text("".join(json.dumps(line) + "\n" for line in lines))
        done = transcribe_manifest(manifest, tmp_path / "out.csv", Transcriber.load("whisper-base"), None)
        # of the clips of another manifest, nothing is known
        assert bool(done.faults) is not there
        assert ("Ya estaba." in (tmp_path / "out.csv").read_text(encoding="utf-8")) is there
