"""The README's examples, run as they stand in a folder that holds what they name."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz import Corpus
from emovoz.corpus import load_audio
from helpers import commands_in, json_lines, write_manifest

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
SERVE = [block for block in BLOCKS if block.startswith(("emovoz serve", "curl"))]
SHELL = [block for block in BLOCKS if block.startswith("emovoz") and block not in SERVE]
"""All but what takes several processes, an S3 server and a Ray, which tests/training and tests/scale have."""
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, demo: Corpus, tiny_whisper: Path) -> Path:
    """What the README names: tables, folders and recordings; a hub model in the hub's cache."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "my-audio").mkdir()
    (folder / "recordings").mkdir()
    parts = {"my.csv": demo.split("train").clips[::3], "held-out.csv": demo.split("test").clips[::3]}
    for name, clips in parts.items():
        rows = [
            {key: getattr(clip, key) or "" for key in ("id", "label", "transcription", "speaker")} for clip in clips
        ]
        write_manifest(folder / name, rows)
        for clip in clips:
            shutil.copy(str(clip.audio), folder / "my-audio" / clip.id)
    for clip in parts["held-out.csv"][:3]:
        shutil.copy(str(clip.audio), folder / "recordings" / clip.id)
    shutil.copy(str(demo.clips[0].audio), folder / "clip.wav")
    spoken = [load_audio(clip.audio) for clip in parts["held-out.csv"][:3] if isinstance(clip.audio, Path)]
    pause = np.zeros(16000, np.float32)
    soundfile.write(folder / "meeting.wav", np.concatenate([part for one in spoken for part in (one, pause)]), 16000)
    cached = folder / "hub" / "models--openai--whisper-small"
    shutil.copytree(tiny_whisper, cached / "snapshots" / "0")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0")
    return folder


@pytest.fixture(scope="module")
def environment(workspace: Path) -> Iterator[dict[str, str]]:
    """`emovoz` on the path."""
    with commands_in(workspace, HF_HUB_CACHE=str(workspace / "hub"), HF_HUB_OFFLINE="1") as variables:
        yield variables


@pytest.fixture
def run(workspace: Path, environment: dict[str, str]) -> Run:
    """Run a command in the workspace."""

    def ended(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)

    return ended


def test_the_examples_of_the_command_line(workspace: Path, run: Run) -> None:
    for block in SHELL:
        done = run("bash", "-e", "-c", block)
        assert done.returncode == 0, f"{block}\n{done.stderr}"
    labelled = json_lines((workspace / "emotions.jsonl").read_text())
    assert [line["id"] for line in labelled] == sorted(path.name for path in (workspace / "recordings").iterdir())
    assert all("label" in line for line in labelled)
    assert (workspace / "results" / "report.html").is_file()
    assert (workspace / "why" / "explanation.png").is_file()
    assert sorted(path.name for path in (workspace / "timelines").iterdir()) == [
        f"meeting.{ending}" for ending in ("csv", "json", "labels.txt", "png", "srt")
    ]
    assert (workspace / "meeting.srt").read_text(encoding="utf-8").count(" --> ") == 3


def test_the_examples_of_python(run: Run) -> None:
    for block in PYTHON:
        done = run("python", "-c", block)
        assert done.returncode == 0, f"{block}\n{done.stderr}"
        assert done.stdout.count(".ogg") >= 3


def test_the_service(workspace: Path, environment: dict[str, str], run: Run, quickstart: Path) -> None:
    if not (workspace / "my-model").is_dir():
        shutil.copytree(quickstart / "model", workspace / "my-model")
    serve, ask = SERVE
    program, *arguments = shlex.split(serve, comments=True)
    # a process of its own, which can be told to end
    with subprocess.Popen(
        [sys.executable, "-m", program, *arguments, "--port", "0"],
        cwd=workspace, env=environment, stderr=subprocess.PIPE, text=True,
    ) as service:  # fmt: skip
        assert service.stderr is not None
        address = next(found.group() for line in service.stderr if (found := re.search(r"http://\S+", line)))
        done = run("bash", "-e", "-c", ask.replace("http://127.0.0.1:8000", address))
        service.terminate()
    (line,) = json_lines(done.stdout)
    assert line["label"] in line["scores"]
    assert service.returncode == -signal.SIGTERM, "told to end, it answers what it has and ends by that"


def test_every_verb_of_the_readme_was_tried() -> None:
    assert len(SHELL) >= 4
    assert len(PYTHON) == 1
    for verb in ("audit", "train", "evaluate", "predict", "explain", "crossval", "recipes"):
        assert any(f"emovoz {verb}" in block for block in SHELL), verb
