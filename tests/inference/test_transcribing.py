"""Words recognised on the way to a prediction."""

import json
import shutil
from pathlib import Path

import pytest

from emovoz import Corpus
from emovoz.transcription import Transcriber
from exports import recognizer_of
from helpers import emovoz, json_lines

pytest.importorskip("faster_whisper", reason="the extra asr is not installed")

SAID = "Dijo que sí, nos casamos en mayo."


@pytest.fixture
def clip(demo: Corpus) -> Path:
    """A demo clip in which the packaged recogniser understands every word."""
    (audio,) = (clip.audio for clip in demo if clip.id == "voice05_joy_2.ogg")
    assert isinstance(audio, Path)
    return audio


def test_a_folder_is_heard_read_and_told_of(quickstart: Path, clip: Path, tmp_path: Path) -> None:
    for name in ("beside", "broken", "heard"):
        shutil.copy(clip, tmp_path / f"{name}.ogg")
    (tmp_path / "beside.txt").write_text("¡Qué asco!", encoding="utf-8")
    (tmp_path / "broken.txt").write_bytes("¡Qué asco!".encode("latin-1"))
    (tmp_path / "cut.ogg").write_bytes(clip.read_bytes()[:1000])
    done = emovoz("predict", str(quickstart / "model"), str(tmp_path), "--transcribe", "--language", "es")
    assert done.returncode == 2, done.stderr
    beside, broken, cut, heard = json_lines(done.stdout)
    assert (beside["transcription"], "words" in beside) == ("¡Qué asco!", False)
    assert "broken.txt beside it" in broken["error"]
    assert cut["id"] == "cut.ogg"
    assert "error" in cut
    assert (heard["transcription"], heard["language"]) == (SAID, "es")
    assert heard["modalities"] == beside["modalities"] == ["speech", "text"]
    assert [word["text"] for word in heard["words"]] == SAID.split()
    assert heard["words"][0]["start"] < heard["words"][-1]["end"] <= heard["seconds"]
    # the words that were recognised count as the same words given
    given = emovoz("predict", str(quickstart / "model"), str(tmp_path / "heard.ogg"), "--text", SAID)
    assert json.loads(given.stdout)["scores"] == pytest.approx(heard["scores"], abs=1e-4)


def test_a_model_that_reads_no_words_shows_them(clip: Path, tiny_whisper: Path) -> None:
    recognizer = recognizer_of("speech", f"speech.model={tiny_whisper}", "speech.layers=all")
    transcriber = Transcriber.load(language="es")
    (mute,), (told,) = recognizer.predict(clip), recognizer.predict(clip, transcriber=transcriber)
    assert told.scores == mute.scores
    assert (told.transcription, told.modalities) == (SAID, ("speech",))


def test_options_of_the_recogniser_want_it() -> None:
    done = emovoz("predict", "no-model", "a.wav", "--language", "es")
    assert (done.returncode, done.stderr.strip()) == (2, "--asr and --language: only with --transcribe")
