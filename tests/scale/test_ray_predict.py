"""Prediction by processes of a real Ray."""

import os
from pathlib import Path

import pytest

from emovoz import Corpus, Recognizer
from emovoz.remote import listing, read, write
from helpers import emovoz, json_lines


@pytest.fixture(scope="module")
def model(untrained: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    untrained.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def recordings(demo: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty recordings, words beside one of them, and one that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    for clip in demo.clips[:20]:
        assert isinstance(clip.audio, Path)
        (folder / clip.audio.name).write_bytes(clip.audio.read_bytes())
    (folder / Path(demo.clips[0].id).with_suffix(".txt").name).write_text("qué alegría")
    (folder / "broken.wav").write_bytes(b"no audio")
    return folder


@pytest.fixture(scope="module")
def local(model: Path, recordings: Path) -> str:
    """What one process prints."""
    done = emovoz("predict", str(model), str(recordings), "--batch-size", "4")
    assert done.returncode == 2, done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _on_this_ray(ray_address: str) -> None:
    os.environ["RAY_ADDRESS"] = ray_address


def test_the_lines_are_those_of_one_process(model: Path, recordings: Path, local: str) -> None:
    done = emovoz(*("predict", str(model), str(recordings), "--batch-size", "4", "--engine", "ray", "--workers", "2"))
    assert (done.returncode, done.stdout) == (2, local), done.stderr
    assert len(json_lines(local)) == 21


def test_all_of_it_on_s3_and_nothing_judged_twice(model: Path, recordings: Path, local: str, bucket: str) -> None:
    for path in model.rglob("*"):
        if path.is_file():
            write(f"{bucket}/models/tiny/{path.relative_to(model).as_posix()}", path.read_bytes())
    for path in recordings.iterdir():
        write(f"{bucket}/recordings/{path.name}", path.read_bytes())
    arguments = ["predict", f"{bucket}/models/tiny", f"{bucket}/recordings", "--batch-size", "4", "--engine", "ray"]
    arguments += ["--workers", "1", "--out", f"{bucket}/answers"]
    done = emovoz(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert read(f"{bucket}/answers/predictions.jsonl").decode() == local
    parts = listing(f"{bucket}/answers/parts")
    lost = next(iter(parts))
    # as if the run had been stopped before the last was there
    import boto3

    boto3.client("s3").delete_object(Bucket="corpus", Key=f"answers/parts/{lost}")
    again = emovoz(*arguments)
    assert again.returncode == 2
    assert read(f"{bucket}/answers/predictions.jsonl").decode() == local
    after = listing(f"{bucket}/answers/parts")
    assert after.keys() == parts.keys()
    # of the batch with the file that is no audio, nobody knows before it is read
    assert sum(after[name].state != parts[name].state for name in parts) <= 2


def test_what_makes_no_sense_with_it_is_refused(model: Path) -> None:
    done = emovoz("predict", str(model), "a.wav", "--engine", "ray", "--timeline")
    assert done.returncode == 2
    assert done.stderr == "--engine ray labels each clip by itself: no --timeline, --stdin or --adapt-speaker\n"
