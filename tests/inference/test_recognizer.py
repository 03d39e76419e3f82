"""Prediction: every good input labelled, every bad one explained, always the same scores."""

import csv
import gc
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file, save_file
from torch import Tensor

from emovoz import Clip, Corpus, InputError, Recognizer, Waveform
from emovoz.corpus import load_audio
from emovoz.features import ClipFeatures


def audio(clip: Clip) -> Path:
    assert isinstance(clip.audio, Path)
    return clip.audio


def test_a_folder_with_good_and_bad_files(recognizer: Recognizer, demo: Corpus, tmp_path: Path) -> None:
    good = audio(demo.clips[0])
    shutil.copy(good, tmp_path / "good.ogg")
    (tmp_path / "deeper").mkdir()
    soundfile.write(tmp_path / "deeper" / "good.wav", load_audio(good), 16000)
    soundfile.write(tmp_path / "cut.flac", np.random.default_rng(0).normal(0, 0.1, 48000), 16000)
    (tmp_path / "cut.flac").write_bytes((tmp_path / "cut.flac").read_bytes()[:20000])
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    (tmp_path / "notes.txt").write_text("not audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / ".hidden").write_text("not looked at")
    found = {one.id: one for one in recognizer.predict(tmp_path)}
    assert list(found) == ["cut.flac", "deeper/good.wav", "empty.wav", "good.ogg", "notes.txt", "silent.wav"]
    assert {name for name, one in found.items() if one.error is None} == {"good.ogg", "deeper/good.wav"}
    assert "truncated" in str(found["cut.flac"].error)
    assert "silent" in str(found["silent.wav"].error)
    assert "not readable" in str(found["notes.txt"].error)
    assert found["good.ogg"].modalities == ("speech",)


def test_it_gives_the_scores_that_evaluation_wrote(recognizer: Recognizer, demo: Corpus, quickstart: Path) -> None:
    with (quickstart / "predictions.csv").open(encoding="utf-8") as file:
        written = {row["id"]: row for row in csv.DictReader(file)}
    for prediction in recognizer.predict(demo.split("test"), batch_size=7):
        row = written[prediction.id]
        assert prediction.label == row["predicted"]
        for label, score in prediction.scores.items():
            assert score == pytest.approx(float(row[f"score_{label}"]), abs=1e-4)
        assert sum(prediction.scores.values()) == pytest.approx(1)


def test_scores_do_not_depend_on_company(recognizer: Recognizer, demo: Corpus, speech_samples: np.ndarray) -> None:
    clips = [Clip(clip.id, clip.audio, transcription=clip.transcription) for clip in demo.clips[:5]]
    long = Clip("long", Waveform(speech_samples[: 25 * 16000], 16000))
    alone = [recognizer.predict(clip)[0] for clip in clips]
    together = recognizer.predict([clips[0], long, *clips[1:]])
    for one, other in zip(alone, [together[0], *together[2:]], strict=True):
        assert one.id == other.id
        assert list(one.scores.values()) == pytest.approx(list(other.scores.values()), abs=1e-4)


def test_words_count(recognizer: Recognizer, demo: Corpus) -> None:
    # one it has not learned from: of those it is certain either way
    clip = demo.split("test").clips[0]
    path = audio(clip)
    (mute,), (told,) = recognizer.predict(path), recognizer.predict(path, text=clip.transcription)
    assert told.modalities == ("speech", "text")
    assert told.transcription == clip.transcription
    assert mute.transcription is None
    assert max(abs(mute.scores[label] - told.scores[label]) for label in mute.scores) > 0.01


def test_samples_in_memory_of_another_rate_and_channels(recognizer: Recognizer, demo: Corpus) -> None:
    samples, rate = soundfile.read(audio(demo.clips[0]))
    (from_file,) = recognizer.predict(audio(demo.clips[0]))
    (from_memory,) = recognizer.predict(Waveform(np.stack([samples, samples], 1), rate))
    assert list(from_memory.scores.values()) == pytest.approx(list(from_file.scores.values()), abs=1e-3)
    assert from_memory.seconds == from_file.seconds


def test_a_text_for_several_clips_is_refused(recognizer: Recognizer, demo: Corpus) -> None:
    with pytest.raises(InputError, match="one clip"):
        recognizer.predict([audio(clip) for clip in demo.clips[:2]], text="hola")


def test_a_missing_file_is_an_error_of_its_own(recognizer: Recognizer) -> None:
    (prediction,) = recognizer.predict("nowhere.wav")
    assert prediction.to_dict() == {"id": "nowhere.wav", "error": "no such file"}


def test_saved_and_loaded_it_says_the_same(recognizer: Recognizer, demo: Corpus, tmp_path: Path) -> None:
    clips = Corpus(demo.clips[:3])
    before = recognizer.predict(clips)
    temperature = recognizer.temperature
    copy = Recognizer(recognizer.head, recognizer.encoders, recognizer.recipe, temperature=temperature)
    copy.save_pretrained(tmp_path / "copy")
    after = Recognizer.from_pretrained(tmp_path / "copy").predict(clips)
    assert [one.scores for one in before] == [one.scores for one in after]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_other_encoders_than_those_of_training_are_refused(quickstart: Path, tmp_path: Path) -> None:
    shutil.copytree(quickstart / "model", tmp_path / "model")
    card = json.loads((tmp_path / "model" / "recognizer.json").read_text())
    card["encoders"]["speech"]["fingerprint"] = "0" * 32
    (tmp_path / "model" / "recognizer.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="trained on speech features of whisper-base"):
        Recognizer.from_pretrained(tmp_path / "model")


def test_a_model_with_a_missing_tensor_is_refused_by_name(quickstart: Path, tmp_path: Path) -> None:
    shutil.copytree(quickstart / "model", tmp_path / "model")
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    del tensors["classifier.1.weight"]
    save_file(tensors, tmp_path / "model" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"classifier\.1\.weight"):
        Recognizer.from_pretrained(tmp_path / "model")


def test_a_folder_with_something_else_is_never_overwritten(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(InputError, match="no emovoz model"):
        recognizer.save_pretrained(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "three years of work"


@pytest.mark.parametrize("source", ["nowhere", "./a/b/c", ""])
def test_a_model_that_is_not_there(source: str) -> None:
    with pytest.raises(InputError, match="no model"):
        Recognizer.from_pretrained(source)


def test_files_of_one_name_in_two_folders_keep_apart(recognizer: Recognizer, demo: Corpus, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(audio(demo.clips[0]), tmp_path / name / "a.ogg")
    found = recognizer.predict([tmp_path / "one", tmp_path / "two"])
    assert [one.id for one in found] == [f"{tmp_path}/one/a.ogg", f"{tmp_path}/two/a.ogg"]


def test_an_empty_folder_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no files"):
        recognizer.predict(tmp_path)


def test_every_way_to_hand_over_a_clip_gives_its_scores(recognizer: Recognizer, demo: Corpus, tmp_path: Path) -> None:
    path = audio(demo.split("test").clips[0])
    (expected,) = recognizer.predict(path)
    samples, rate = soundfile.read(path, dtype="float32")
    (tmp_path / "folder").mkdir()
    shutil.copy(path, tmp_path / "folder")
    (tmp_path / "m.csv").write_text(f"id\n{path.name}\n")
    (tmp_path / "m.jsonl").write_text(json.dumps({"id": path.name}) + "\n")
    ways = {
        "text": recognizer.predict(str(path)),
        "array and rate": recognizer.predict(samples, rate=rate),
        "array of two channels": recognizer.predict(np.stack([samples, samples], 1), rate=rate),
        "waveform": recognizer.predict(Waveform(samples, rate)),
        "list": recognizer.predict([path]),
        "list of arrays": recognizer.predict([samples], rate=rate),
        "folder": recognizer.predict(tmp_path / "folder"),
        "csv": recognizer.predict(tmp_path / "m.csv", audio_dir=path.parent),
        "jsonl": recognizer.predict(tmp_path / "m.jsonl", audio_dir=path.parent),
        "corpus": recognizer.predict(Corpus([Clip("a", path)])),
    }
    for way, found in ways.items():
        assert [one.error for one in found] == [None], way
        assert list(found[0].scores.values()) == pytest.approx(list(expected.scores.values()), abs=1e-3), way
        assert found[0].seconds == expected.seconds, way


def test_an_array_without_its_rate_is_refused(recognizer: Recognizer) -> None:
    with pytest.raises(InputError, match="rate=16000"):
        recognizer.predict(np.zeros(16000))


def test_what_was_in_memory_with_a_damaged_clip_is_freed_with_its_batch(
    recognizer: Recognizer, demo: Corpus, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(bytes(2000))
    clips = [Clip("damaged", damaged), Clip("sound", demo.clips[0].audio)]
    list(recognizer.predict_each(clips))
    gc.collect()
    gc.disable()
    try:
        assert [one.error is None for one in recognizer.predict_each(clips)] == [False, True]
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not [one for one in gc.garbage if isinstance(one, Tensor | np.ndarray | ClipFeatures)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
