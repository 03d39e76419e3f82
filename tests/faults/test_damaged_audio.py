"""Damaged audio of every format: a label or a reason, and never a crash, a hang, or more memory than there is."""

import random
from pathlib import Path

import pytest

from damaged_audio import damaged, sounds
from faults_tried import how_many, tally
from helpers import emovoz, json_lines
from one_by_one import told_of

pytest.importorskip("av", reason="PyAV (the extra media) is not installed")

CASES = how_many(2000)
MEGABYTES = 2500


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return sounds(tmp_path_factory.mktemp("originals"))


def test_what_is_whole_is_heard_in_every_format(tmp_path: Path, originals: dict[str, bytes]) -> None:
    """So that damage is done to files that can be read."""
    paths = []
    for name, content in originals.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(content)
    told = dict(zip(originals, told_of("decoding.py", paths), strict=True))
    assert len(told) > 80
    assert {name: line for name, line in told.items() if " heard 0." not in line} == {}


def test_damaged_audio_is_heard_or_refused_with_a_reason(tmp_path: Path, originals: dict[str, bytes]) -> None:
    rng = random.Random(0)
    paths = []
    for i in range(CASES):
        name, content = damaged(originals, rng)
        paths.append(tmp_path / f"{i}-{name}")
        paths[-1].write_bytes(content)
    wrong = {}
    for path, line in zip(paths, told_of("decoding.py", paths), strict=True):
        megabytes, verdict = line.split(" ", 1)
        if not verdict.startswith(("heard ", "refused ")) or int(megabytes) > MEGABYTES:
            wrong[path.name] = line
    tally("audio", injected=CASES, survived=CASES - len(wrong))
    assert wrong == {}


def test_a_folder_of_damaged_audio_gives_a_line_each(
    tmp_path: Path, originals: dict[str, bytes], quickstart: Path
) -> None:
    rng = random.Random(1)
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(how_many(200, 20)):
        name, content = damaged(originals, rng)
        (folder / f"{i}-{name}").write_bytes(content)
    (folder / "not-audio.wav").write_bytes(b"RIFF, it says")
    done = emovoz("predict", str(quickstart / "model"), str(folder))
    lines = json_lines(done.stdout)
    assert done.returncode == 2, done.stderr
    assert {line["id"] for line in lines} == {path.name for path in folder.iterdir()}
    assert all(("label" in line) != ("error" in line) for line in lines)
    assert "Traceback" not in done.stderr
