"""Contamination: a model knows again what it was trained on, and evaluate warns of it."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Recognizer, Waveform, evaluate, train
from emovoz.corpus.fingerprints import audio_fingerprint
from emovoz.evaluation import write_report
from emovoz.inference.training_data import TrainingData
from helpers import SHARED

CHALLENGE = SHARED / "emospeech2024"

WORDS = ["Me voy a casa.", "¡No lo aguanto más!", "Qué alegría verte", "Hoy es martes", "Se acabó", "Dame la mano"]


def words(*texts: str, prefix: str = "t") -> Corpus:
    labels = ("anger", "joy")
    return Corpus([Clip(f"{prefix}{i}", transcription=text, label=labels[i % 2]) for i, text in enumerate(texts)])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def reader(tiny_bert: Path, store: FeatureStore) -> Recognizer:
    """Trained on four sentences, with a fifth as dev clip."""
    recipe = Recipe.load("text", [f"text.model={tiny_bert}", "text.layers=all", "training.epochs=1"])
    return train(words(*WORDS[:4]), recipe, dev=words(WORDS[4], prefix="d"), store=store)


@pytest.fixture(scope="module")
def sounds(demo: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """30 clips as FLAC."""
    folder = tmp_path_factory.mktemp("sounds")
    clips = []
    for clip in demo.clips[:30]:
        samples, rate = soundfile.read(str(clip.audio), dtype="int16")
        clips.append(replace(clip, audio=folder / f"{clip.id}.flac"))
        soundfile.write(folder / f"{clip.id}.flac", samples, rate)
    return Corpus(clips)


@pytest.fixture(scope="module")
def listener(tiny_whisper: Path, store: FeatureStore, sounds: Corpus) -> Recognizer:
    """Trained on 24 clips, with six dev clips."""
    recipe = Recipe.load("speech", [f"speech.model={tiny_whisper}", "speech.layers=all", "training.epochs=1"])
    return train(Corpus(sounds.clips[:24]), recipe, dev=Corpus(sounds.clips[24:]), store=store)


def test_words_are_known_again_whatever_their_case_accents_and_punctuation(
    reader: Recognizer, store: FeatureStore
) -> None:
    test = words("me voy a  CASA", "No, lo aguanto mas", "Otra cosa", "se acabo", "...", prefix="x")
    found = evaluate(reader, test, store=store).results["contamination"]
    assert (found["clips"], found["transcripts"], found["of"], found["different_transcripts"]) == (0, 3, 5, 3)
    assert found["train"] == {"clips": 0, "transcripts": 2}
    assert found["dev"] == {"clips": 0, "transcripts": 1}
    assert [(one["id"], one["transcript"]) for one in found["examples"]] == [
        ("x0", "train"), ("x1", "train"), ("x3", "dev"),
    ]  # fmt: skip


def test_audio_is_known_again_under_another_name_in_another_format_and_as_a_part(
    listener: Recognizer, store: FeatureStore, sounds: Corpus, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(str(sounds.clips[3].audio), dtype="int16")
    soundfile.write(tmp_path / "other.wav", samples, rate, subtype="PCM_24")
    around = np.concatenate([np.ones(rate, np.int16) * 99, samples, samples[::-1]])
    soundfile.write(tmp_path / "long.flac", around, rate)
    soundfile.write(tmp_path / "louder.wav", samples // 2, rate)
    dev = sounds.clips[26]
    test = Corpus(
        [
            Clip("same samples", tmp_path / "other.wav"),
            Clip("a part", tmp_path / "long.flac", start=1.0, end=1.0 + len(samples) / rate),
            Clip("in memory", Waveform(samples, rate)),
            Clip("both channels", Waveform(np.stack([samples, samples], axis=1), rate)),
            Clip("another part", tmp_path / "long.flac", start=0.5),
            Clip("another level", tmp_path / "louder.wav"),
            replace(dev, id="a dev clip", place=None),
        ]
    )
    found = evaluate(listener, test, store=store).results["contamination"]
    assert found["train"] == {"clips": 4, "transcripts": 0}
    assert found["dev"] == {"clips": 1, "transcripts": 0}
    assert [one["id"] for one in found["examples"]] == [
        "same samples", "a part", "in memory", "both channels", "a dev clip",
    ]  # fmt: skip


def test_a_model_that_only_listens_has_learned_from_no_words(
    listener: Recognizer, store: FeatureStore, sounds: Corpus
) -> None:
    assert listener.trained_on is not None
    assert len(listener.trained_on.train.clips) == 24
    assert len(listener.trained_on.dev.clips) == 6
    assert not listener.trained_on.train.transcripts
    samples = np.random.default_rng(0).normal(0, 0.1, 16000)
    test = Corpus([replace(sounds.clips[0], audio=Waveform(samples, 16000))])
    found = evaluate(listener, test, store=store).results["contamination"]
    assert (found["clips"], found["transcripts"], found["examples"]) == (0, 0, [])


def test_a_saved_model_keeps_8_bytes_of_each_and_no_words(reader: Recognizer, tmp_path: Path) -> None:
    reader.save_pretrained(tmp_path / "model")
    file = tmp_path / "model" / "training_data.json"
    content = json.loads(file.read_text())
    assert len(content["train"]["transcripts"]) == 4 * 4 * 8 / 3 + 4 / 3  # four hashes in base64, padded
    assert "casa" not in file.read_text().lower()
    assert Recognizer.from_pretrained(tmp_path / "model").trained_on == reader.trained_on
    file.write_text(file.read_text()[:-30])
    with pytest.raises(InputError, match=r"training_data.json: damaged; copy the whole folder"):
        Recognizer.from_pretrained(tmp_path / "model")


def test_a_model_of_an_earlier_version_loads_and_says_that_nothing_is_known(
    reader: Recognizer, store: FeatureStore, tmp_path: Path, shown: Callable[[], str]
) -> None:
    reader.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "training_data.json").unlink()
    old = Recognizer.from_pretrained(tmp_path / "model")
    assert old.trained_on is None
    results = evaluate(old, words(*WORDS), store=store).results
    assert results["contamination"] is None
    assert "model does not say what it was trained on" in shown()
    write_report(results, tmp_path / "report.html")
    assert "trained on" not in (tmp_path / "report.html").read_text()
    old.save_pretrained(tmp_path / "copy")
    assert not (tmp_path / "copy" / "training_data.json").exists()


def test_the_warning_names_clips_and_is_in_the_report(
    reader: Recognizer, store: FeatureStore, tmp_path: Path, shown: Callable[[], str]
) -> None:
    evaluation = evaluate(reader, words(WORDS[0], WORDS[5], prefix="<b>"), store=store)
    told = "1 of 2 clips have words that the model was trained on"
    assert f"warning: {told} (<b>0)" in shown()
    evaluation.save(tmp_path)
    report = (tmp_path / "report.html").read_text()
    assert f"{told} (&lt;b&gt;0)" in report
    assert evaluate(reader, words(WORDS[5]), store=store).results["contamination"]["transcripts"] == 0
    assert "warning" not in shown()


def test_sentences_that_are_said_again_and_again_are_told_as_such(
    reader: Recognizer, store: FeatureStore, shown: Callable[[], str]
) -> None:
    evaluate(reader, words(*WORDS[:2] * 3), store=store)
    assert "2 different texts, so perhaps fixed sentences" in shown()


def test_a_copy_of_a_clip_that_cannot_be_decoded_has_no_fingerprint(tmp_path: Path) -> None:
    assert audio_fingerprint(Clip("words", transcription="sí")) is None
    shutil.copy(__file__, tmp_path / "not.wav")
    with pytest.raises(ValueError, match="not readable as audio"):
        audio_fingerprint(Clip("not", tmp_path / "not.wav"))


def test_the_transcriptions_that_train_and_dev_of_emospeech_share_are_found(
    reader: Recognizer, store: FeatureStore
) -> None:
    if not CHALLENGE.is_dir():
        pytest.skip("the transcripts of EmoSPeech 2024 are not here")
    parts = {}
    for name in ("train", "dev"):
        with (CHALLENGE / f"{name}.csv").open(encoding="utf-8") as file:
            parts[name] = [row["transcription"] for row in csv.DictReader(file)]
    trained = TrainingData.of(words(*parts["train"]), None, reader.encoders)
    recognizer = Recognizer(reader.head, reader.encoders, reader.recipe, trained_on=trained)
    found = evaluate(recognizer, words(*parts["dev"]), store=store).results["contamination"]
    assert (found["transcripts"], found["different_transcripts"], found["of"]) == (6, 5, 480)
