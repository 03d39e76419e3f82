"""What the report lets people hear, and why it says the surest mistakes were made."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz import Clip, Corpus, FeatureStore, Recognizer, Waveform, crossval, evaluate
from emovoz.evaluation import sounds
from emovoz.evaluation.sounds import Sound, sounds_of
from report_page import Page, chosen, mistake, one_run
from voices import RATE, plain_recipe, voices


def tone(seconds: float, clip: str = "tone") -> Clip:
    time = np.arange(round(seconds * RATE)) / RATE
    return Clip(clip, Waveform((0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), RATE))


def heard(uri: str) -> np.ndarray:
    assert uri.startswith("data:audio/mpeg;base64,")
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert rate == RATE
    return np.asarray(samples)


def test_a_player_plays_the_clip() -> None:
    clip = tone(1.0)
    found = sounds_of([clip])["tone"]
    samples = heard(found.uri)
    assert len(samples) == pytest.approx(RATE, rel=0.1)
    spectrum = np.abs(np.fft.rfft(samples[2000:14000]))
    assert np.fft.rfftfreq(12000, 1 / RATE)[spectrum.argmax()] == pytest.approx(440, abs=2)
    assert np.sqrt((samples[2000:14000] ** 2).mean()) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    assert found.envelope == pytest.approx(np.ones(160), abs=0.05)


def test_a_player_plays_the_part_of_the_recording_that_is_the_clip() -> None:
    samples = np.concatenate([np.zeros(RATE), tone(1.0).audio.samples])  # type: ignore[union-attr]
    clip = Clip("part", Waveform(samples.astype(np.float32), RATE), start=1.0, end=1.5)
    assert len(heard(sounds_of([clip])["part"].uri)) == pytest.approx(RATE / 2, rel=0.2)


def test_what_cannot_be_heard_or_is_long_has_no_player(tmp_path: Path) -> None:
    clips = [Clip("words", transcription="hola"), Clip("gone", tmp_path / "gone.wav"), tone(13.0, "long"), tone(0.5)]
    assert [*sounds_of(clips)] == ["tone"]


def test_players_beyond_the_room_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [tone(1.0, str(i)) for i in range(4)]
    monkeypatch.setattr(sounds, "MOST_BYTES", int(2.5 * len(sounds_of(clips[:1])["0"].uri)))
    assert [*sounds_of(clips)] == ["0", "1"]


def test_the_report_plays_hardest_clips_and_mistakes_and_nothing_else_is_loaded() -> None:
    run = one_run() | {"mistakes": [mistake("c.wav", "joy", "anger", [("dicho", 0.3)])]}
    found = {name: Sound(f"data:audio/mpeg;base64,{name[0] * 4}", (0.1, 1.0, 0.2)) for name in ("a.wav", "c.wav")}
    page = Page(run, sounds=found)
    assert [player["src"] for player in page.all("audio")] == [found["c.wav"].uri, found["a.wav"].uri]
    assert all("controls" in player and player["preload"] == "none" for player in page.all("audio"))
    assert not [given for tag, given in page.elements if "src" in given and tag != "audio"]
    (policy,) = (given["content"] for given in page.all("meta") if "http-equiv" in given)
    assert "media-src data:" in policy


def test_a_mistake_is_shown_with_what_spoke_for_the_wrong_label() -> None:
    page = Page(one_run() | {"mistakes": [mistake("c.wav", "joy", "anger", [("qué", -0.2), ("rabia", 0.8)])]})
    words = page.words()
    assert "joy 0.010 taken for anger 0.980" in words
    assert "sound +2.250" in words
    assert "words −0.500" in words
    assert "evidence for anger over 1.0 s: most from 0.50 to 0.75 s" in page.svg_titles
    assert [given["class"] for given in page.all("span") if given.get("title")] == ["word against", "word for"]
    bars = [given for given in page.all("rect") if given["class"] in ("for", "against")]
    assert [bar["class"] for bar in bars] == ["against", "for", "for", "against"]
    assert float(bars[2]["height"]) == 4 * float(bars[1]["height"]), "0.4 and 0.1"


def test_what_was_chosen_in_training_is_counted() -> None:
    run = one_run()
    run["history"][0]["selected"] = chosen(3.0, 0.61, 0.55)
    run["history"][1]["selected"] = chosen(3.0, 0.65, 0.57)
    page = Page(run)
    assert ["training.regularisation=3.0", "2 of 2", "0.630", "0.610 – 0.650"] in page.rows
    assert ["training.regularisation=other", "0 of 2", "0.560", "0.550 – 0.570"] in page.rows
    assert "Chosen in training" not in Page(one_run()).words()


def test_evaluation_explains_its_surest_mistakes_and_writes_a_small_report(quickstart: Path) -> None:
    written = json.loads((quickstart / "results.json").read_text(encoding="utf-8"))
    report = (quickstart / "report.html").read_text(encoding="utf-8")
    mistakes = written["mistakes"]
    assert 1 <= len(mistakes) <= 6
    chances = [one["predicted_probability"] for one in mistakes]
    assert chances == sorted(chances, reverse=True)
    for one in mistakes:
        assert one["label"] != one["predicted"] == one["evidence"]["label"]
        assert one["evidence"]["modalities"]["together"] == pytest.approx(one["predicted_probability"], abs=1e-3)
        assert [word["text"] for word in one["evidence"]["words"]] == one["transcription"].split()
    assert len(re.findall("<audio ", report)) == len(mistakes) + len(written["hardest"])
    assert len(report) < 3_000_000


def test_crossval_explains_mistakes_by_the_heads_that_made_them(tmp_path: Path) -> None:
    corpus = voices(speakers=4, clips=3)
    # labels that no sound can tell, so that there are mistakes
    clips = [replace(clip, label=["joy", "anger"][i % 2]) for i, clip in enumerate(corpus)]
    found = crossval(Corpus(clips), plain_recipe(), folds=4, seeds=2, store=FeatureStore(tmp_path / "store"))
    mistakes = found.results["mistakes"]
    assert len(mistakes) == 6
    rows = {row["id"]: row for row in found.predictions["plain"] if row["seed"] == 0}
    wrong = [row for row in rows.values() if row["label"] != row["predicted"]]
    surest = sorted((row[f"score_{row['predicted']}"] for row in wrong), reverse=True)[:6]
    assert [one["predicted_probability"] for one in mistakes] == pytest.approx(surest)
    for one in mistakes:
        assert one["evidence"]["modalities"]["together"] == pytest.approx(one["predicted_probability"], abs=1e-3)
    found.save(tmp_path / "out")
    assert "<audio " in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_with_adapted_speakers_the_evidence_is_that_of_the_adapted_head(tmp_path: Path) -> None:
    corpus = voices(speakers=4, clips=3)
    clips = [replace(clip, label=["joy", "anger"][i % 2]) for i, clip in enumerate(corpus)]
    recipe = plain_recipe(adapt="all")
    found = crossval(Corpus(clips), recipe, folds=2, seeds=1, store=FeatureStore(tmp_path / "store"))
    for one in found.results["mistakes"]:
        assert one["evidence"]["modalities"]["together"] == pytest.approx(one["predicted_probability"], abs=1e-3)


def test_clips_without_labels_are_no_mistakes(quickstart: Path, demo: Corpus, tmp_path: Path) -> None:
    clips = [replace(clip, label=None) for clip in demo.split("test").clips[:3]]
    recognizer = Recognizer.from_pretrained(quickstart / "model")
    found = evaluate(recognizer, Corpus(clips), store=FeatureStore(tmp_path / "store"))
    assert found.results["mistakes"] == []
