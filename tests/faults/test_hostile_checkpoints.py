"""Checkpoints that somebody has put pickles into, and made their table of contents fit: refused, and nothing runs."""

import hashlib
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from faults_tried import tally
from hostile import Writes, pickle_that_writes
from warm import Warm


@pytest.fixture(scope="module")
def half_trained(
    warm: Warm, few_clips: Path, gradient: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Any]]:
    """The checkpoint of a killed training, and the command line that would go on but for its `--out`."""
    folder = tmp_path_factory.mktemp("half")
    command = ["train", few_clips, "--audio-dir", "/", *gradient, "--store", folder / "store", "--out"]
    killed = warm.run(*command, folder / "model", at=[0, "kill", ""], within="/000003")
    assert killed.killed, killed.err
    return folder / "model.checkpoint", command


def made_to_fit(state: Path) -> None:
    """Write the hash of every file into the checkpoint's table of contents."""
    contents = state.parent / "checkpoint.json"
    told = json.loads(contents.read_text())
    files = [path for path in state.parent.rglob("*") if path.is_file() and path != contents]
    told["files"] = {
        path.relative_to(state.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
    contents.write_text(json.dumps(told))


@pytest.mark.parametrize("form", ["a pickle", "a pickle as torch saves it"])
@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "pytorch_model.bin"])
def test_a_pickle_in_it_is_refused(
    half_trained: tuple[Path, list[Any]], warm: Warm, tmp_path: Path, name: str, form: str
) -> None:
    checkpoint, command = half_trained
    shutil.copytree(checkpoint, tmp_path / "model.checkpoint")
    state = max(tmp_path.glob("model.checkpoint/[0-9]*/*/optimizer.pt")).parent
    if form == "a pickle":
        (state / name).write_bytes(pickle_that_writes(tmp_path / "ran"))
    else:
        torch.save(Writes(tmp_path / "ran"), state / name)
    if name == "pytorch_model.bin":
        # else they are not looked at
        (state / "model.safetensors").unlink()
    made_to_fit(state)
    done = warm.run(*command, tmp_path / "model", "--resume")
    assert not (tmp_path / "ran").exists()
    assert done.code == 2, done.err
    assert str(state) in done.err
    assert "leave --resume out" in done.err
    assert "Traceback" not in done.err
    # the pickle does what it is for, where somebody loads it
    if form == "a pickle":
        pickle.loads((state / name).read_bytes())
    else:
        torch.load(state / name, weights_only=False)
    assert (tmp_path / "ran").exists()
    tally("pickles in checkpoints", injected=1, survived=1)
