"""An export: written whole or not at all, and predicting as the model does."""

import ast
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile

from emovoz import Clip, Corpus, ExportedRecognizer, InputError, Recognizer, Waveform, export
from emovoz.corpus import load_audio
from exports import LABELS, largest_gap, recognizer_of, tiny
from helpers import SHARED
from tiny_encoders import speech_checkpoint

LOG_MEL = ("speech.model=log-mel", "speech.layers=last")


def test_an_export_predicts_what_the_model_predicts(
    untrained: Recognizer, exported: ExportedRecognizer, demo: Corpus, tmp_path: Path
) -> None:
    clips = demo.clips[::9]
    (tmp_path / "no-audio.wav").write_text("hello")
    words, audio = clips[0].transcription, clips[0].audio
    odd = [
        Clip("wordless", audio),
        Clip("blank", audio, transcription="  "),
        Clip("mute", transcription=words),
        Clip("silent words", transcription=""),
        Clip("nothing"),
        Clip("part", audio, start=0.2, end=0.7, transcription=words),
        Clip("no audio", tmp_path / "no-audio.wav", transcription=words),
        Clip("silence", Waveform(np.zeros(9000), 8000)),
        Clip("stereo", Waveform(np.random.default_rng(0).normal(0, 0.1, (44100, 2)), 44100)),
    ]
    ours = exported.predict([*clips, *odd])
    assert largest_gap(ours, untrained.predict([*clips, *odd])) < 1e-4
    assert [one.id for one in ours if one.error] == ["nothing", "no audio", "silence"]


def test_a_clip_beyond_the_encoders_window_is_joined_from_windows(
    untrained: Recognizer, exported: ExportedRecognizer, speech_samples: np.ndarray
) -> None:
    clip = Clip("long", Waveform(np.tile(speech_samples, 2)[: 70 * 16000], 16000))
    assert largest_gap(exported.predict(clip), untrained.predict(clip)) < 1e-4


def test_a_recording_beyond_ten_minutes_is_refused_by_itself(exported: ExportedRecognizer, demo: Corpus) -> None:
    long = Clip("long", Waveform(np.ones(6010), 10))
    refused, judged = exported.predict([long, demo.clips[0]])
    assert "longer than 600 s" in str(refused.error)
    assert "predict with the model itself" in str(refused.error)
    assert judged.error is None


def test_thresholds_decide_as_they_do_by_the_model(exported: ExportedRecognizer, demo: Corpus) -> None:
    (plain,) = exported.predict(demo.clips[0])
    least = min(plain.scores, key=plain.scores.__getitem__)
    (moved,) = exported.predict(demo.clips[0], thresholds={least: 1e-6})
    assert (moved.label, moved.scores) == (least, plain.scores)
    with pytest.raises(InputError, match="no such label"):
        exported.predict(demo.clips[0], thresholds={"boredom": 0.2})


@pytest.mark.parametrize("name", ["bsc-upc-3", "spectrogram"])
def test_heads_fitted_by_gradient_are_exported_too(
    name: str, tiny_whisper: Path, tiny_bert: Path, demo: Corpus, tmp_path: Path
) -> None:
    settings = tiny(tiny_whisper, tiny_bert) if name == "bsc-upc-3" else []
    recognizer = recognizer_of(name, *settings, scale=0.02)
    exported = export(recognizer, tmp_path / "export")
    clips = [*demo.clips[::11], Clip("mute", transcription="no sí")]
    assert largest_gap(exported.predict(clips), recognizer.predict(clips)) < 1e-4


def test_a_head_that_relates_frames_hears_a_hundred_seconds_at_most(tmp_path: Path) -> None:
    related = ("model.sequence=self_attention", "model.standardise=false")
    exported = export(recognizer_of("speech-gradient", *LOG_MEL, *related), tmp_path / "export")
    (refused,) = exported.predict(Waveform(np.ones(1010), 10))
    assert "longer than 100 s" in str(refused.error)


def test_what_has_no_graph_is_told_before_anything_is_written(tiny_bert: Path, tmp_path: Path) -> None:
    speech_checkpoint("WavLM base", tmp_path / "wavlm")
    recognizer = recognizer_of("bsc-upc-3", *tiny(tmp_path / "wavlm", tiny_bert), "text.lora={'last': 1}")
    with pytest.raises(InputError) as caught:
        export(recognizer, tmp_path / "export")
    family, tuned = caught.value.faults
    assert "the family wavlm has no graph here; these have: whisper, wav2vec2" in family
    assert "its last layers are tuned with the head" in tuned
    assert not (tmp_path / "export").exists()


def test_an_export_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    recognizer = recognizer_of("speech", *LOG_MEL)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds something that is no export"):
        export(recognizer, tmp_path)
    target = tmp_path / "exports" / "speech"
    first = export(recognizer, target)
    (target / "of-the-first").touch()
    second = export(recognizer, target, quantize=True)
    assert (first.card.quantised, second.card.quantised) == (False, True)
    assert not (target / "of-the-first").exists()
    assert [path.name for path in target.parent.iterdir()] == ["speech"]
    assert target.stat().st_mode & 0o055 == 0o055


def test_a_folder_with_a_file_of_the_same_name_is_no_export_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text('{"rows": 3}')
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds something that is no export"):
        export(recognizer_of("speech", *LOG_MEL), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels", None),
        ("longest_seconds", None),
        ("temperature", "hot"),
        ("thresholds", {"boredom": 2}),
        ("files", []),
        ("files", {"head.onnx": 3}),
        ("files", {"../head.onnx": {"bytes": 3}}),
        ("files", {}),
        ("speech", "abc"),
        ("speech.sample_rate", 0),
        ("speech.overlap_frames", 10**9),
    ],
)
def test_a_card_that_cannot_be_is_a_sentence(
    exported: ExportedRecognizer, tmp_path: Path, name: str, value: Any
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported.directory, copy)
    card = json.loads((copy / "export.json").read_text())
    *outer, inner = name.split(".")
    (card[outer[0]] if outer else card)[inner] = value
    (copy / "export.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match=r"export\.json: damaged"):
        ExportedRecognizer.from_pretrained(copy)


def test_a_damaged_tokenizer_is_a_sentence(exported: ExportedRecognizer, demo: Corpus, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported.directory, copy)
    tokenizer = copy / "tokenizer.json"
    tokenizer.write_bytes(b"?" * tokenizer.stat().st_size)
    with pytest.raises(InputError, match=r"tokenizer\.json: not readable as a tokenizer"):
        ExportedRecognizer.from_pretrained(copy).predict(demo.clips[0])


def test_an_export_that_is_not_whole_is_told(exported: ExportedRecognizer) -> None:
    kept = (exported.directory / "head.onnx.data").read_bytes()
    try:
        (exported.directory / "head.onnx.data").write_bytes(kept[:100])
        with pytest.raises(InputError, match=rf"head.onnx.data: 100 bytes, not {len(kept)}; copy the whole folder"):
            ExportedRecognizer.from_pretrained(exported.directory)
    finally:
        (exported.directory / "head.onnx.data").write_bytes(kept)
    with pytest.raises(InputError, match="not an exported model"):
        ExportedRecognizer.from_pretrained(exported.directory.parent)


def test_graphs_say_what_goes_in_and_what_comes_out(exported: ExportedRecognizer) -> None:
    head = onnx.load(exported.directory / "head.onnx", load_external_data=False)
    facts = {one.key: one.value for one in head.metadata_props}
    assert facts["labels"] == ", ".join(LABELS)
    assert facts["input.speech_mask"].startswith("[batch, speech_frames]: bool")
    speech = onnx.load(exported.directory / "speech.onnx", load_external_data=False)
    facts = {one.key: one.value for one in speech.metadata_props}
    assert facts["sample_rate"] == "16000 Hz"
    waveform, _ = speech.graph.input
    assert [axis.dim_param for axis in waveform.type.tensor_type.shape.dim] == ["batch", "samples"]
    # nothing of the machine that wrote it
    for file in exported.directory.glob("*.onnx"):
        assert str(Path(__file__).parents[2]).encode() not in file.read_bytes()


def test_the_card_tells_the_model_and_its_files(exported: ExportedRecognizer, untrained: Recognizer) -> None:
    told = json.loads((exported.directory / "export.json").read_text())
    assert told["labels"] == LABELS
    assert told["speech"]["fingerprint"] == untrained.encoders.branches["speech"].encoder.fingerprint
    assert set(told["files"]) == {file.name for file in exported.directory.iterdir()} - {"export.json"}


def test_the_example_with_onnxruntime_alone_is_right(
    demo: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    _, example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    recognizer = recognizer_of("speech", *LOG_MEL)
    export(recognizer, tmp_path / "my-export")
    assert demo.clips[0].audio is not None
    soundfile.write(tmp_path / "clip.wav", load_audio(demo.clips[0].audio), 16000, subtype="FLOAT")
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    (expected,) = recognizer.predict(tmp_path / "clip.wav")
    assert ast.literal_eval(capsys.readouterr().out) == pytest.approx(expected.scores, abs=1e-5)


@pytest.mark.slow
def test_on_real_clips_the_embedded_encoders_are_within_a_thousandth(tmp_path: Path) -> None:
    folder = SHARED / "spanish-elicited"
    if not folder.is_dir():
        pytest.skip("needs the development data spanish-elicited beside the project")
    corpus = Corpus.from_manifest(folder / "manifest.csv", folder / "audio", labels=False)
    recognizer = recognizer_of("default", scale=0.02)
    exported = export(recognizer, tmp_path / "export")
    clips = corpus.clips[::97]
    assert largest_gap(exported.predict(clips), recognizer.predict(clips)) < 1e-3
