"""The command line, run as a user runs it."""

import csv
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from emovoz import Clip, Corpus, Recipe, Recognizer
from exports import recognizer_of
from helpers import emovoz, emovoz_from_nothing, json_lines, write_manifest


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory, demo: Corpus) -> Path:
    """Demo transcripts without audio."""
    clips = demo.split("train")
    rows = [{"id": c.id, "label": c.label or "", "transcription": c.transcription or ""} for c in clips]
    return write_manifest(tmp_path_factory.mktemp("texts") / "train.csv", rows)


@pytest.fixture(scope="module")
def text_model(tmp_path_factory: pytest.TempPathFactory, texts: Path, tiny_bert: Path) -> Path:
    out = tmp_path_factory.mktemp("models") / "text"
    setting = f"text.model={tiny_bert}"
    done = emovoz(
        "train", str(texts), "--recipe", "text", "--set", setting, "--set", "text.layers=all", "--out", str(out)
    )
    assert done.returncode == 0, done.stderr
    assert "dev macro-F1" in done.stdout
    return out


def test_the_version_is_told() -> None:
    done = emovoz("--version")
    assert (done.returncode, done.stdout) == (0, f"emovoz {version('emovoz')}\n")


def test_help_answers_in_under_a_second() -> None:
    emovoz_from_nothing("--help")
    started = time.perf_counter()
    done = emovoz_from_nothing("--help")
    assert time.perf_counter() - started < 1
    for verb in ("quickstart", "audit", "extract", "train", "crossval", "evaluate", "predict", "encoders", "recipes"):
        assert verb in done.stdout


def test_importing_emovoz_does_not_load_torch() -> None:
    script = (
        "import sys, emovoz; assert not {'torch', 'transformers', 'sklearn'} & set(sys.modules); print(dir(emovoz))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Recognizer" in done.stdout


def waiting_for(modules: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own; the last line on its stderr names those of the modules it imported."""
    script = f"""
import sys
from emovoz.cli import main
try:
    main()
finally:
    print(*sorted({modules!r} & set(sys.modules)), file=sys.stderr)
"""
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)


def _predicted_without_waiting(*arguments: str) -> str:
    """What a prediction of one clip prints, which imports nothing that takes seconds."""
    done = waiting_for({"transformers", "torch._dynamo", "sklearn", "pandas", "scipy"}, "predict", *arguments)
    assert done.stderr == "1 judged\n\n"
    return done.stdout


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["model.pooling=attention", "model.standardise=false", "training.method=gradient", "selection.grid={}"],
    ],
    ids=["closed form", "gradient"],
)
def test_predicting_from_speech_waits_neither_for_transformers_nor_for_the_compiler_of_torch(
    settings: list[str], demo: Corpus, tmp_path: Path
) -> None:
    recognizer, audio = recognizer_of("speech", *settings), str(demo.clips[0].audio)
    recognizer.save_pretrained(tmp_path / "model")
    (line,) = json_lines(_predicted_without_waiting(str(tmp_path / "model"), audio))
    assert line["scores"] == pytest.approx(recognizer.predict(audio)[0].scores, abs=1e-5)


def test_learning_in_closed_form_from_speech_does_not_wait_for_them_either(few_clips: Path, tmp_path: Path) -> None:
    recipe = ["--recipe", "speech", "--out", str(tmp_path / "model")]
    done = waiting_for({"transformers", "torch._dynamo"}, "train", str(few_clips), "--audio-dir", "/", *recipe)
    assert done.stderr.splitlines()[-1] == ""


def test_predicting_from_speech_and_words_does_not_either(
    untrained: Recognizer, untrained_model: Path, demo: Corpus
) -> None:
    clip = Clip("a", demo.clips[0].audio, transcription="qué alegría")
    said = _predicted_without_waiting(str(untrained_model), str(clip.audio), "--text", "qué alegría")
    (line,) = json_lines(said)
    assert line["modalities"] == ["speech", "text"]
    assert line["scores"] == pytest.approx(untrained.predict([clip])[0].scores, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "nowhere.csv", "--out", "m"], "nowhere.csv"),
        (["recipes", "spech"], "did you mean 'speech'"),
        (["predict", "no-model", "a.wav"], "no model 'no-model'"),
        (["export"], "Missing argument 'model'"),
        (["fly"], "fly"),
        (["crossval", "nowhere.csv", "--set", "training.epoch=1"], "did you mean 'epochs'"),
        (["crossval", "nowhere.csv", "--resume"], "--out"),
    ],
)
def test_a_fault_of_the_user_is_a_sentence_and_code_2(arguments: list[str], sentence: str) -> None:
    done = emovoz(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback() -> None:
    assert "Traceback" in emovoz("recipes", "spech", "--debug").stderr


def test_all_faults_of_a_manifest_come_at_once(tmp_path: Path) -> None:
    rows = [{"id": "a.wav", "label": "joy"}, {"id": "", "label": "joy"}, {"id": "b.wav", "label": ""}]
    path = str(write_manifest(tmp_path / "m.csv", rows))
    done = emovoz("train", path, "--recipe", "speech", "--out", str(tmp_path / "m"))
    assert done.returncode == 2
    assert [f"row {row}" in done.stderr for row in (2, 3, 4)] == [True] * 3
    assert "no label" in done.stderr
    assert not (tmp_path / "m").exists()


def test_unlabelled_rows_give_a_submission_in_order(text_model: Path, demo: Corpus, tmp_path: Path) -> None:
    test = list(demo.split("test"))[::-1]
    rows = [{"id": c.id, "transcription": c.transcription or ""} for c in test]
    out, submission = tmp_path / "out", tmp_path / "s.csv"
    path = str(write_manifest(tmp_path / "test.csv", rows))
    done = emovoz("evaluate", str(text_model), path, "--submission", str(submission), "--out", str(out))
    assert done.returncode == 0, done.stderr
    with submission.open() as file:
        written = list(csv.DictReader(file))
    assert [row["id"] for row in written] == [clip.id for clip in test]
    assert {row["label"] for row in written} <= set(demo.labels)
    results = json.loads((out / "results.json").read_text())
    assert results["macro_f1"] is None
    assert (results["n"], results["data"]["n"]) == (0, 48)


def test_evaluate_prints_the_schema_and_knows_its_labels(text_model: Path, texts: Path, tmp_path: Path) -> None:
    results = json.loads(emovoz("evaluate", str(text_model), str(texts), "--json").stdout)
    expected = (
        "protocol n macro_f1 uar accuracy per_class confusion labels ece seeds folds recipe data versions seconds"
    )
    assert set(expected.split()) <= set(results)
    strange = write_manifest(tmp_path / "m.csv", [{"id": "a", "label": "boredom", "transcription": "hola"}])
    done = emovoz("evaluate", str(text_model), str(strange))
    assert done.returncode == 2
    assert "row 2: a: label 'boredom'" in done.stderr


def test_a_reader_that_closes_the_pipe_costs_no_file(text_model: Path, texts: Path, tmp_path: Path) -> None:
    out, submission = tmp_path / "out", tmp_path / "s.csv"
    command = ["evaluate", str(text_model), str(texts), "--json", "--out", str(out), "--submission", str(submission)]
    assert _with_closed_pipe(*command) == 0
    assert (out / "report.html").is_file()
    assert submission.is_file()
    folds = tmp_path / "folds"
    settings = ["--recipe", str(text_model), "--set", "training.epochs=1", "--folds", "2", "--seeds", "1"]
    assert _with_closed_pipe("crossval", str(texts), *settings, "--json", "--out", str(folds)) == 0
    assert (folds / "report.html").is_file()


def _with_closed_pipe(*arguments: str) -> int:
    """Exit code of a command whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-u", "-c", "from emovoz.cli import main; main()", *arguments]
    try:
        return subprocess.run(command, stdout=writer, timeout=400, check=False).returncode
    finally:
        os.close(writer)


def test_predict_writes_a_line_each_and_ends_with_2_where_one_failed(quickstart: Path, demo: Corpus) -> None:
    good, bad = str(demo.clips[0].audio), "nowhere.wav"
    done = emovoz("predict", str(quickstart / "model"), "-", stdin=f"{good}\n{bad}\n")
    assert done.returncode == 2
    first, second = json_lines(done.stdout)
    assert set(first) == {"id", "label", "scores", "seconds", "transcription", "modalities", "model"}
    assert first["id"] == good
    assert first["label"] == max(first["scores"], key=first["scores"].get)
    assert second == {"id": bad, "error": "no such file"}


def test_predict_writes_csv(quickstart: Path, demo: Corpus) -> None:
    done = emovoz(
        "predict", str(quickstart / "model"), str(demo.clips[0].audio), "--format", "csv", "--text", 'di "no", ya'
    )
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert row["transcription"] == 'di "no", ya'
    assert sum(float(row[f"score_{label}"]) for label in demo.labels) == pytest.approx(1)


def test_a_text_model_cannot_judge_audio_alone(text_model: Path, demo: Corpus) -> None:
    done = emovoz("predict", str(text_model), str(demo.clips[0].audio))
    assert done.returncode == 2
    assert "no transcription" in json_lines(done.stdout)[0]["error"]


def test_extract_tells_what_it_did(texts: Path, tiny_bert: Path, tmp_path: Path) -> None:
    command = [
        "extract",
        str(texts),
        "--recipe",
        "text",
        "--set",
        f"text.model={tiny_bert}",
        "--set",
        "text.layers=all",
    ]
    done = json.loads(emovoz(*command, "--store", str(tmp_path), "--json").stdout)
    assert done["encoded"] == {"text": 120}
    assert "0 new text" in emovoz(*command, "--store", str(tmp_path)).stdout


def test_recipes_lists_the_shipped_ones_and_prints_one_in_full(tmp_path: Path) -> None:
    listed = emovoz("recipes").stdout
    for name in ("default", "speech", "text", "baseline-logreg"):
        assert name in listed
    full = emovoz("recipes", "default").stdout
    (tmp_path / "mine.yaml").write_text(full)
    assert emovoz("recipes", str(tmp_path / "mine.yaml")).stdout == full
    published = emovoz("recipes", "bsc-upc-5").stdout
    assert "  # published: noise cut to 9 s beside speech cut to 5.5 s; here it covers the clip\n  noise:" in published
    (tmp_path / "five.yaml").write_text(published)
    assert Recipe.load(tmp_path / "five.yaml") == Recipe.load("bsc-upc-5")


def test_a_changed_recipe_is_written_for_a_comparison(texts: Path, tiny_bert: Path, tmp_path: Path) -> None:
    changed = emovoz("recipes", "text", "--set", "name=max", "--set", "model.pooling=max").stdout
    (tmp_path / "variant.yaml").write_text(changed)
    settings = [f"text.model={tiny_bert}", "text.layers=all", "training.epochs=1"]
    compared = ["--recipe", "text", "--recipe", str(tmp_path / "variant.yaml"), "--folds", "2", "--seeds", "1"]
    done = emovoz("crossval", str(texts), *compared, *(f"--set={one}" for one in settings))
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[:3]] == ["recipe", "text", "max"]
    assert "macro-F1 of text minus" in done.stdout
    assert "2 folds x 1 seed x 2 recipes: 4 fits, each on 60 clips" in done.stderr


def test_folds_of_every_group_and_of_several_columns(tmp_path: Path, tiny_bert: Path) -> None:
    words = {"joy": "qué alegría", "fear": "miedo no"}
    rows = [
        {"id": f"{who}-{what}-{label}", "label": label, "transcription": text, "speaker": who, "sentence": what}
        for who in ("ana", "eva", "leo")
        for what in ("one", "two")
        for label, text in words.items()
    ]
    path, out = str(write_manifest(tmp_path / "m.csv", rows)), tmp_path / "out"
    settings = [f"--set={one}" for one in (f"text.model={tiny_bert}", "text.layers=all", "training.epochs=1")]
    command = ["crossval", path, "--recipe", "text", *settings, "--seeds", "1", "--out", str(out)]
    crossed = emovoz(*command, "--group", "speaker,sentence", "--folds", "all,2", "--json")
    assert crossed.returncode == 0, crossed.stderr
    folds = json.loads(crossed.stdout)["folds"]
    assert [fold["groups"] for fold in folds[:2]] == [
        {"speaker": ["ana"], "sentence": ["one"]},
        {"speaker": ["ana"], "sentence": ["two"]},
    ]
    assert len(folds) == 6
    assert (out / "runs" / "text.json").is_file()
    again = emovoz(*command, "--group", "speaker,sentence", "--folds", "all,2", "--json", "--resume")
    assert "text: taken from" in again.stderr
    assert again.stdout == crossed.stdout


def test_a_setting_that_gives_a_recipe_a_modality_is_told() -> None:
    told = "recipe bsc-upc-0 has no text of its own: --set text.model gives it one"
    assert told in emovoz("recipes", "bsc-upc-0", "--set", "text.model=multilingual-e5-small").stderr
    assert told not in emovoz("recipes", "default", "--set", "text.model=multilingual-e5-small").stderr
    assert "--set needs the name of a recipe" in emovoz("recipes", "--set", "training.epochs=1").stderr


def test_a_model_in_the_usual_place_is_not_replaced_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emovoz-model").mkdir()
    (tmp_path / "emovoz-model" / "recognizer.json").write_text("{}")
    done = emovoz("train", "my.csv")
    assert done.returncode == 2
    assert "emovoz-model holds a model; name a folder for the new one with --out" in done.stderr
