"""Checkpoints on disk: the newest whole one counts, for the training it belongs to and for no other."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from emovoz import InputError
from emovoz.training.checkpoints import Checkpoint, has_checkpoint, open_checkpoint, remove_checkpoint

BELONGS: dict[str, Any] = {
    "training": {"epochs": 30, "seed": 0},
    "labels": ["joy", "anger"],
    "data": "9 clips of fingerprint a",
}


def write(checkpoint: Checkpoint, text: str) -> None:
    with checkpoint.writing() as folder:
        (folder / "state.txt").write_text(text)


def read(checkpoint: Checkpoint) -> str | None:
    state = checkpoint.state()
    return (state / "state.txt").read_text() if state else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models" / "mine.checkpoint"


def test_the_newest_state_of_every_fit_is_kept_and_nothing_else(folder: Path) -> None:
    checkpoint = open_checkpoint(folder, BELONGS, resume=True)
    assert not folder.exists()
    assert read(checkpoint) is None
    write(checkpoint, "model 1")
    write(checkpoint, "model 2")
    write(checkpoint.of("curve"), "curve 1")
    again = open_checkpoint(folder, BELONGS, resume=True)
    assert (read(again), read(again.of("curve"))) == ("model 2", "curve 1")
    assert len(list(folder.iterdir())) == 1


def test_what_fails_while_a_checkpoint_is_written_leaves_the_last_one(folder: Path) -> None:
    checkpoint = open_checkpoint(folder, BELONGS, resume=True)
    write(checkpoint, "good")

    def fail() -> None:
        with checkpoint.writing() as state:
            (state / "state.txt").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert read(checkpoint) == "good"
    assert len(list(folder.iterdir())) == 1


def test_what_a_kill_leaves_is_no_checkpoint_and_goes_with_the_next_training(folder: Path) -> None:
    write(open_checkpoint(folder, BELONGS, resume=True), "good")
    (folder / ".making-x" / "model").mkdir(parents=True)
    half_deleted = folder / "000000"
    half_deleted.mkdir()
    again = open_checkpoint(folder, BELONGS, resume=True)
    assert read(again) == "good"
    assert not (folder / ".making-x").exists()


def test_an_old_checkpoint_stays_until_a_training_begun_afresh_has_its_first(folder: Path) -> None:
    write(open_checkpoint(folder, BELONGS, resume=False), "old")
    afresh = open_checkpoint(folder, BELONGS, resume=False)
    assert read(afresh) is None
    assert read(open_checkpoint(folder, BELONGS, resume=True)) == "old"
    write(afresh.of("curve"), "new")
    resumed = open_checkpoint(folder, BELONGS, resume=True)
    assert (read(resumed), read(resumed.of("curve"))) == (None, "new")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"training": {"epochs": 20, "seed": 0}}, "training.epochs was 30, is 20;"),
        ({"labels": ["joy"]}, "labels was ['joy', 'anger'], is ['joy'];"),
        ({"data": "8 clips of fingerprint b"}, "data was 9 clips of fingerprint a, is 8 clips of fingerprint b;"),
        ({"text": {"model": "e5"}}, "text was None, is {'model': 'e5'};"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_by_what_differs(
    folder: Path, change: dict[str, object], told: str
) -> None:
    write(open_checkpoint(folder, BELONGS, resume=True), "theirs")
    with pytest.raises(InputError) as caught:
        open_checkpoint(folder, BELONGS | change, resume=True)
    assert told in str(caught.value)
    assert "leave --resume out" in str(caught.value)
    assert str(caught.value).count(" was ") == 1
    assert read(open_checkpoint(folder, BELONGS, resume=True)) == "theirs"


@pytest.mark.parametrize("file", ["model/state.txt", "checkpoint.json"])
def test_a_damaged_checkpoint_is_refused(folder: Path, file: str) -> None:
    write(open_checkpoint(folder, BELONGS, resume=True), "good")
    (path,) = folder.glob(f"*/{file}")
    path.write_text("gone bad")
    with pytest.raises(InputError, match=r"damaged \(.*leave --resume out"):
        open_checkpoint(folder, BELONGS, resume=True)
    assert read(open_checkpoint(folder, BELONGS, resume=False)) is None


def test_it_says_where_a_training_begins(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovoz.progress._shown", True)

    def told(*, resume: bool, belongs: dict[str, Any] = BELONGS) -> str:
        open_checkpoint(folder, belongs, resume=resume)
        return capsys.readouterr().err

    assert told(resume=False) == ""
    assert "no checkpoint in" in told(resume=True)
    write(open_checkpoint(folder, BELONGS, resume=True), "x")
    capsys.readouterr()
    assert "--resume would go on from it" in told(resume=False)
    assert "of another training" in told(resume=False, belongs={})
    assert "going on from the checkpoint" in told(resume=True)


def test_a_folder_with_something_else_is_refused_and_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("three years of work")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        open_checkpoint(folder, BELONGS, resume=False)
    remove_checkpoint(folder)
    assert (folder / "thesis.txt").is_file()


def test_removed_checkpoints_leave_nothing(folder: Path) -> None:
    write(open_checkpoint(folder, BELONGS, resume=True), "x")
    assert has_checkpoint(folder)
    remove_checkpoint(folder)
    assert not folder.exists()
    remove_checkpoint(folder)
    assert not has_checkpoint(folder)


def test_what_a_checkpoint_belongs_to_can_be_read(folder: Path) -> None:
    write(open_checkpoint(folder, BELONGS, resume=True), "x")
    (path,) = folder.glob("*/checkpoint.json")
    assert json.loads(path.read_text())["belongs"] == BELONGS


def test_a_kill_at_any_moment_leaves_the_old_checkpoint_or_the_new_one_whole(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_writing.py")
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    left = json.loads(done.stdout)
    for work, new in (("resumed", "model new"), ("afresh", "none new"), ("removed", "none none")):
        change = left[work].index(new)
        assert change > 1
        assert left[work] == ["model old"] * change + [new] * (len(left[work]) - change)
