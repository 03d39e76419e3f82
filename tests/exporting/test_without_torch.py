"""Prediction by an export where next to nothing is installed."""

import csv
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from emovoz import Corpus, ExportedRecognizer, Recognizer
from helpers import SHARED, emovoz, json_lines, write_manifest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("numpy", "soundfile", "soxr", "tokenizers", "onnxruntime")
FORBIDDEN = ("torch", "transformers", "typer", "pydantic", "sklearn", "yaml", "scipy", "pyarrow", "rich", "safetensors")
LONE = f"""
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Forbidden())
from emovoz.program import main
main()
"""


def lone(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command line where only what an export needs can be imported."""
    command = [sys.executable, "-c", LONE, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)


def test_predict_runs_without_torch_and_says_what_the_model_says(
    untrained: Recognizer, exported: ExportedRecognizer, demo: Corpus
) -> None:
    audio = str(demo.clips[3].audio)
    done = lone("predict", str(exported.directory), audio, "--text", "no sí, qué alegría")
    assert (done.returncode, done.stderr) == (0, "1 judged\n")
    (line,) = json_lines(done.stdout)
    (expected,) = untrained.predict(audio, text="no sí, qué alegría")
    assert line["scores"] == pytest.approx(expected.scores, abs=1e-4)
    assert {**line, "scores": 0} == {**expected.to_dict(), "scores": 0}


def test_a_manifest_a_folder_and_stdin_are_predicted_without_torch(
    exported: ExportedRecognizer, demo: Corpus, tmp_path: Path
) -> None:
    audio = [str(clip.audio) for clip in demo.clips[:2]]
    rows = [{"id": Path(one).name, "transcription": "no sí"} for one in audio]
    manifest = write_manifest(tmp_path / "clips.csv", rows)
    done = lone(
        "predict", str(exported.directory), str(manifest), "--audio-dir", str(Path(audio[0]).parent), "--format", "csv"
    )
    assert done.returncode == 0, done.stderr
    assert [row["modalities"] for row in csv.DictReader(done.stdout.splitlines())] == ["speech+text"] * 2
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "a.txt").write_text("no sound")
    done = lone("predict", str(exported.directory), "-", str(tmp_path / "sounds"), stdin="\n".join(audio))
    assert done.returncode == 2
    lines = json_lines(done.stdout)
    assert [line["id"] for line in lines[:2]] == audio
    assert "not readable as audio" in lines[2]["error"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--adapt-speaker", "x"], "--adapt-speaker: an exported model does not adapt to a voice"),
        (["--format", "xml"], "--format xml: choose jsonl or csv"),
        (["--batch-size", "0"], "--batch-size 0: at least 1"),
        (["--threshold", "boredom=0.2"], "threshold of 'boredom': no such label"),
        (["--timeline"], "--timeline: an exported model makes none"),
    ],
)
def test_what_an_export_cannot_do_is_refused_by_name(
    arguments: list[str], told: str, exported: ExportedRecognizer
) -> None:
    done = lone("predict", str(exported.directory), "a.wav", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_typer_all_other_verbs_say_what_to_install(tmp_path: Path) -> None:
    for arguments in (["train", "x.csv"], ["predict", str(tmp_path), "a.wav"]):
        done = lone(*arguments)
        assert done.returncode == 2
        assert "pip install emovoz" in done.stderr


def test_the_whole_command_line_exports_and_predicts_by_the_export(
    light_model: Path, demo: Corpus, tmp_path: Path
) -> None:
    done = emovoz("export", str(light_model), "--out", str(tmp_path / "export"))
    assert done.returncode == 0, done.stderr
    assert "largest difference to the model in a probability" in done.stderr
    done = emovoz("predict", str(tmp_path / "export"), str(demo.clips[0].audio))
    assert json_lines(done.stdout)[0]["model"] == "model"


@pytest.mark.slow
def test_in_a_clean_environment_with_five_packages(
    untrained: Recognizer, exported: ExportedRecognizer, demo: Corpus, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(next((tmp_path / "venv").glob("*/python")))
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt")]
    installed = subprocess.run([*pip, *NEEDED, "setuptools>=77"], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"the registry gives no packages: {installed.stderr.strip().splitlines()[-1]}")
    copy = tmp_path / "emovoz"
    ours = ["--no-deps", "--no-build-isolation", "--no-index", str(_source_copy(copy))]
    subprocess.run([*pip, *ours], capture_output=True, check=True)
    folder = SHARED / "spanish-elicited" / "audio"
    clip = next(folder.glob("*.flac")) if folder.is_dir() else demo.clips[0].audio
    command = [str(Path(python).with_name("emovoz")), "predict", str(exported.directory), str(clip), "--text", "no sí"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (expected,) = untrained.predict(str(clip), text="no sí")
    assert json_lines(done.stdout)[0]["scores"] == pytest.approx(expected.scores, abs=1e-3)


def _source_copy(to: Path) -> Path:
    """What building takes, elsewhere: the checkout is left as it is."""
    to.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, to / name)
    shutil.copytree(ROOT / "src", to / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return to
