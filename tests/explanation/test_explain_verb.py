"""The verb explain, and the picture it leaves."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from emovoz import Clip, Corpus, InputError, Recognizer, Waveform
from emovoz.cli import app
from emovoz.pictures.explanation import explanation_figure
from emovoz.transcription import Transcript, Word
from helpers import emovoz


@pytest.fixture(scope="module")
def recognizer(quickstart: Path) -> Recognizer:
    return Recognizer.from_pretrained(quickstart / "model")


def test_it_tells_shows_and_writes_down_why(quickstart: Path, demo: Corpus, tmp_path: Path) -> None:
    clip, out = str(demo.split("test").clips[0].audio), tmp_path / "why"
    words = "¡Devuélveme el dinero ahora mismo!"
    done = emovoz("explain", str(quickstart / "model"), clip, "--text", words, "--label", "anger", "--out", str(out))
    assert done.returncode == 0, done.stderr
    told = done.stdout
    for part in (
        "evidence for anger, log-odds: sound",
        "seconds: ",
        "words: ",
        "check of seconds, top 0.",
        "at random",
    ):
        assert part in told
    assert sorted(path.name for path in out.iterdir()) == [
        "explanation-dark.png",
        "explanation.json",
        "explanation.png",
    ]
    written = json.loads((out / "explanation.json").read_text(encoding="utf-8"))
    why = written["explanation"]
    assert written["modalities"] == ["speech", "text"]
    assert why["label"] == "anger"
    assert [word["text"] for word in why["words"]] == words.split()
    assert why["seconds"][-1]["end"] == pytest.approx(written["seconds"], abs=1e-3)
    assert {*why["checks"]} == {"seconds", "words"}
    assert why["modalities"]["together"] == pytest.approx(written["scores"]["anger"], abs=1e-4)
    light, dark = (
        np.asarray(Image.open(out / name).convert("L")) for name in ("explanation.png", "explanation-dark.png")
    )
    assert light.shape == dark.shape
    assert light[0, 0] > 240 > 30 > dark[0, 0]


def test_what_cannot_be_explained_is_told_in_a_sentence(quickstart: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("not audio")
    done = emovoz("explain", str(quickstart / "model"), str(tmp_path / "notes.wav"))
    assert done.returncode == 2
    assert "notes.wav" in done.stderr
    assert "not readable as audio" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_label_that_is_none_is_refused(recognizer: Recognizer, demo: Corpus) -> None:
    with pytest.raises(InputError, match=r"no label 'Joy'.*did you mean 'joy'"):
        recognizer.explain(demo.clips[0], label="Joy")


def test_of_a_long_recording_a_part_is_explained(recognizer: Recognizer, speech_samples: np.ndarray) -> None:
    long = Waveform(np.concatenate([speech_samples, speech_samples[:16000]]), 16000)
    with pytest.raises(InputError, match="lasts 61 s, and at most 60 s"):
        recognizer.explain(long)
    explanation = recognizer.explain(Clip("part", long, start=10.0, end=12.0))
    assert explanation.prediction.seconds == 2.0
    assert [explanation.seconds[0].start, explanation.seconds[-1].end] == [0.0, 2.0]


def test_several_clips_are_refused(recognizer: Recognizer, demo: Corpus) -> None:
    with pytest.raises(InputError, match="one clip at a time"):
        recognizer.explain(Corpus(demo.clips[:2]))


def test_the_same_clip_has_the_same_explanation(recognizer: Recognizer, demo: Corpus) -> None:
    one, other = (recognizer.explain(demo.clips[3]).to_dict() for _ in range(2))
    assert one == other


def test_words_whose_times_are_known_have_them(recognizer: Recognizer, demo: Corpus) -> None:
    def transcriber(samples: np.ndarray, language: str | None) -> Transcript:
        assert len(samples) == pytest.approx(2.1 * 16000, rel=0.3)
        words = (Word("Devuélveme", 0.1, 0.8, 0.9), Word("el", 0.8, 0.9, 0.9), Word("dinero.", 0.9, 1.5, 0.5))
        return Transcript("Devuélveme el dinero.", words, "es")

    path = str(demo.split("test").clips[0].audio)
    explanation = recognizer.explain(path, transcriber=transcriber)
    assert explanation.prediction.transcription == "Devuélveme el dinero."
    assert [(word.text, word.start, word.end) for word in explanation.words] == [
        ("Devuélveme", 0.1, 0.8),
        ("el", 0.8, 0.9),
        ("dinero.", 0.9, 1.5),
    ]
    given = recognizer.explain(path, text="hola", transcriber=transcriber)
    assert [word.text for word in given.words] == ["hola"]


def test_in_a_notebook_it_is_its_picture(recognizer: Recognizer) -> None:
    shown = recognizer.explain(Clip("words $ <b>", transcription="¡Qué $ alegría <verte>!"))._repr_html_()
    assert shown.startswith("<img ")
    assert "<b>" not in shown


@pytest.mark.parametrize("parts", [("audio",), ("transcription",), ("audio", "transcription")])
def test_the_picture_has_what_the_clip_has(recognizer: Recognizer, demo: Corpus, parts: tuple[str, ...]) -> None:
    clip = demo.split("test").clips[9]
    explanation = recognizer.explain(Clip("a", **{part: getattr(clip, part) for part in parts}))
    figure = explanation_figure(explanation)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts] + [
        text.get_text() for text in figure.texts
    ]
    assert ("sound" in texts, "words" in texts) == ("audio" in parts, "transcription" in parts)
    assert f"Why {explanation.label}?" in texts
    assert Image.open(io.BytesIO(explanation.png())).width == 1680


def test_the_words_beside_a_file_are_read(untrained_model: Path, demo: Corpus, tmp_path: Path) -> None:
    shutil.copy(str(demo.clips[0].audio), tmp_path / "a.ogg")
    (tmp_path / "a.txt").write_text("hoy  hubo\nfiesta", encoding="utf-8")
    arguments = ["explain", str(untrained_model), str(tmp_path / "a.ogg"), "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert [word["text"] for word in json.loads(done.stdout)["explanation"]["words"]] == ["hoy", "hubo", "fiesta"]
    assert json.loads(done.stdout)["modalities"] == ["speech", "text"]
    given = CliRunner().invoke(app, [*arguments, "--text", "otra  cosa"], catch_exceptions=False)
    assert [word["text"] for word in json.loads(given.stdout)["explanation"]["words"]] == ["otra", "cosa"]


def test_a_dollar_sign_begins_no_formula(untrained: Recognizer) -> None:
    formula = r"$\no{formula$"
    explanation = untrained.explain(Clip(formula, transcription=f"{formula} {formula} alegría"))
    assert explanation.png()[:4] == b"\x89PNG"


def test_a_text_that_nobody_says_in_a_minute_is_refused(untrained: Recognizer) -> None:
    with pytest.raises(InputError, match="book: has 301 words, and at most 300"):
        untrained.explain(Clip("book", transcription="sol " * 301))
