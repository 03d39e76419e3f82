"""A full disk, rights that are lacking, a store that vanishes, a clock that goes back, versions side by side."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from emovoz import FeatureStore, Recognizer
from emovoz.features.index import INDEX
from emovoz.features.upkeep import prune, verify
from faults_tried import how_many, tally
from outcomes import features, files, names, results
from warm import Ended, Warm, fill_disk

CASES = how_many(30, 1)
"""Of each verb."""
MB = 1_000_000


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 40 MB."""
    folder = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def store(small_model: Path) -> Path:
    return small_model.parent / "store"


@pytest.fixture(scope="module")
def verbs(
    few_clips: Path, gradient: list[str], small_model: Path, store: Path, three_clips: Path
) -> dict[str, list[Any]]:
    """Command lines but for where they write."""
    clips = [few_clips, "--audio-dir", "/"]
    return {
        "extract": ["extract", *clips, *gradient, "--store"],
        "train": ["train", *clips, *gradient, "--store", store, "--out"],
        "crossval": ["crossval", *clips, "--folds", 2, "--seeds", 1, *gradient, "--store", store, "--out"],
        "evaluate": ["evaluate", small_model, *clips, "--store", store, "--out"],
        "predict": ["predict", small_model, three_clips, "--audio-dir", "/", "--timeline", "--out"],
    }


def outcome(verb: str, place: Path) -> Any:
    if verb == "extract":
        return features(place)
    if verb in ("crossval", "evaluate"):
        assert not [name for name in names(place) if name.startswith(".")]
        return results(place), (place / "predictions.csv").read_text()
    return files(place)


def is_told(ended: Ended, *words: str) -> None:
    """It ended with code 2 and a few sentences."""
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    assert any(word in ended.err for word in words), ended.err


@pytest.mark.parametrize("verb", ["train", "crossval", "evaluate", "predict"])
def test_a_full_disk_is_told_and_what_was_there_is_kept(
    verb: str, verbs: dict[str, list[Any]], warm: Warm, disk: Path, tmp_path: Path
) -> None:
    draw = random.Random(f"full {verb}")
    assert warm.run(*verbs[verb], tmp_path / "clean").code == 0
    wanted = outcome(verb, tmp_path / "clean")
    size = sum(path.stat().st_size for path in (tmp_path / "clean").rglob("*") if path.is_file())
    place = disk / verb
    assert warm.run(*verbs[verb], place).code == 0
    full = 0
    for _ in range(CASES):
        fill_disk(disk, leave=draw.randrange(3 * size))
        ended = warm.run(*verbs[verb], place)
        (disk / "ballast").unlink()
        if ended.code:
            is_told(ended, "disk is full", "is the disk full?", "No space left on device")
            full += 1
            assert outcome(verb, place) == wanted
        assert not [path for path in place.rglob(".*") if path.is_file()]
        resumed = warm.run(*verbs[verb], place, *(["--resume"] if verb in ("train", "crossval") else []))
        assert resumed.code == 0, resumed.err
        assert outcome(verb, place) == wanted
        assert not list(disk.glob("*.checkpoint"))
    shutil.rmtree(place)
    tally(f"full disk, {verb}", injected=full, survived=full)
    assert full or CASES < 5


def test_a_disk_that_fills_while_features_are_stored(
    verbs: dict[str, list[Any]], warm: Warm, disk: Path, store: Path
) -> None:
    wanted, full = features(store), 0
    for number in range(min(CASES, 6)):
        place = disk / f"store{number}"
        ended = warm.run(*verbs["extract"], place, at=[number, "fill", str(disk)], within=str(place))
        (disk / "ballast").unlink(missing_ok=True)
        if ended.code:
            full += 1
            is_told(ended, "disk is full", "No space left on device", "would not fit")
        assert not list(place.rglob(".shard*"))
        assert warm.run(*verbs["extract"], place).code == 0
        assert features(place) == wanted
    tally("full disk, extract", injected=full, survived=full)


@pytest.mark.parametrize("verb", ["extract", "train", "crossval"])
def test_a_limit_on_the_size_of_files(verb: str, verbs: dict[str, list[Any]], warm: Warm, tmp_path: Path) -> None:
    draw, place, stopped = random.Random(f"limit {verb}"), tmp_path / "place", 0
    for _ in range(CASES):
        ended = warm.run(*verbs[verb], place, file_bytes=draw.randrange(5_000, 100_000))
        if ended.code:
            stopped += 1
            is_told(ended, "files of this size", "File too large", "checkpoint cannot be written")
        assert not [path for path in place.rglob(".*") if path.is_file() and path.name != ".lock"]
    resumed = warm.run(*verbs[verb], place, *(["--resume"] if verb != "extract" else []))
    assert resumed.code == 0, resumed.err
    tally(f"file too large, {verb}", injected=stopped, survived=stopped)
    assert stopped or CASES < 5


def test_an_output_that_nothing_can_be_written_to(warm: Warm, small_model: Path, few_clips: Path) -> None:
    for form in ("jsonl", "csv"):
        ended = warm.run("predict", small_model, few_clips, "--audio-dir", "/", "--format", form, stdout="/dev/full")
        is_told(ended, "the output cannot be written")
    tally("full disk, output", injected=2, survived=2)


@pytest.mark.parametrize("verb", ["extract", "train"])
def test_a_store_that_is_deleted_under_a_running_job(
    verb: str, verbs: dict[str, list[Any]], warm: Warm, store: Path, tmp_path: Path, small_model: Path
) -> None:
    draw, wanted, stopped = random.Random(f"deleted {verb}"), features(store), 0
    for number in range(CASES):
        place = tmp_path / f"store{number}"
        model = tmp_path / f"model{number}"
        command = [*verbs[verb], *([place] if verb == "extract" else [model, "--store", place])]
        ended = warm.run(*command, at=[draw.randrange(60), "delete", str(place)], within=str(place))
        if ended.code:
            stopped += 1
            is_told(ended, "run the command again", "Run the command again", "No such file", "cannot be read")
        last = warm.run(*command)
        assert last.code == 0, last.err
        assert features(place) == wanted
        if verb == "train":
            assert files(model)["model.safetensors"] == files(small_model)["model.safetensors"]
    tally("store deleted under a job", injected=stopped, survived=stopped)


@pytest.fixture
def for_all(store: Path, few_clips: Path, tiny_whisper: Path, tiny_bert: Path) -> Iterator[Path]:
    """A folder in which everybody may read, and only its owner write: store, manifest and encoders."""
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    folder = Path(tempfile.mkdtemp())
    for what in (store, tiny_whisper, tiny_bert):
        shutil.copytree(what, folder / what.name)
    shutil.copy(few_clips, folder / "clips.csv")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield folder
    shutil.rmtree(folder)


def test_where_nobody_may_write(
    for_all: Path, gradient: list[str], store: Path, tiny_whisper: Path, tiny_bert: Path, warm: Warm
) -> None:
    moved = {str(one): str(for_all / one.name) for one in (tiny_whisper, tiny_bert)}
    options = [*gradient]
    for old, new in moved.items():
        options = [one.replace(old, new) for one in options]
    clips = [for_all / "clips.csv", "--audio-dir", "/"]
    before = files(for_all)
    alone = {"user": 65534, "environment": {"TMPDIR": "/tmp", "HOME": "/tmp", "EMOVOZ_CACHE": str(for_all / "cache")}}
    is_told(warm.run("extract", *clips, *options, "--store", for_all / "new", **alone), "cannot be written to")
    is_told(warm.run("train", *clips, *options, "--store", for_all / "store", "--out", for_all / "model", **alone),
            "no permission to write in")  # fmt: skip
    is_told(warm.run("crossval", *clips, *options, "--store", for_all / "store", "--out", for_all / "out", **alone),
            "no permission to write in")  # fmt: skip
    # what is in the store serves whoever may only read it
    ended = warm.run("extract", *clips, *options, "--store", for_all / "store", **alone)
    assert ended.code == 0, ended.err
    (for_all / "secret.csv").write_text("id\n")
    (for_all / "secret.csv").chmod(0o600)
    is_told(warm.run("extract", for_all / "secret.csv", *options, **alone), "cannot be read")
    (for_all / "secret.csv").unlink()
    assert files(for_all) == before
    tally("permission denied", injected=5, survived=5)


def test_a_clock_that_goes_back_changes_nothing(
    verbs: dict[str, list[Any]], warm: Warm, small_model: Path, store: Path, tmp_path: Path
) -> None:
    command = [*verbs["train"], tmp_path / "model"]
    killed = warm.run(*command, at=[0, "kill", ""], within="/000003", clock=3600)
    assert killed.killed, killed.err
    for path in [*tmp_path.rglob("*"), *store.rglob("*")]:
        os.utime(path, (4e9, 4e9))
    ended = warm.run(*command, "--resume", clock=86400)
    assert ended.code == 0, ended.err
    assert "goes on after epoch" in ended.err
    assert files(tmp_path / "model")["model.safetensors"] == files(small_model)["model.safetensors"]
    assert names(tmp_path) == {"model"}
    tally("clock going back", injected=2, survived=2)


def test_what_another_version_has_stored_is_neither_read_nor_destroyed(
    verbs: dict[str, list[Any]], warm: Warm, store: Path, tmp_path: Path
) -> None:
    wanted = features(store)
    copy = shutil.copytree(store, tmp_path / "store")
    theirs = {}
    for path in copy.rglob("shard-*"):
        tensors = {name: values + 1 for name, values in load_file(path).items()}
        save_file(tensors, path, metadata={"format": "9", "encoder": path.parent.name, "crc32": "of another kind"})
        theirs[path] = path.read_bytes()
    for path in copy.rglob(INDEX):
        save_file(load_file(path), path, metadata={"version": "9", "encoder": path.parent.name})
    ended = warm.run(*verbs["extract"], copy)
    assert ended.code == 0, ended.err
    assert "another version of emovoz" in ended.err
    assert {path: path.read_bytes() for path in theirs} == theirs
    assert {one.path for one in verify(FeatureStore(copy)).damaged} == set(theirs)
    assert prune(FeatureStore(copy)).deleted == ()
    assert {path: path.read_bytes() for path in theirs} == theirs
    assert "already" in warm.run(*verbs["extract"], copy).out
    for path in theirs:
        path.unlink()
    assert features(copy) == wanted
    tally("two versions on one store", injected=len(theirs) + 2, survived=len(theirs) + 2)


def test_an_earlier_model_whose_replacement_was_killed_between_two_renames_comes_back(
    small_model: Path, verbs: dict[str, list[Any]], warm: Warm, tmp_path: Path
) -> None:
    shutil.copytree(small_model, tmp_path / ".model-old-abcd1234")
    (tmp_path / ".model-abcd1234").mkdir()
    (tmp_path / ".model-b-abcd1234").mkdir()
    ended = warm.run(*verbs["train"], tmp_path / "model", file_bytes=5_000)
    assert ended.code == 2, ended.err
    assert Recognizer.from_pretrained(tmp_path / "model").labels
    # that of another model stays
    assert names(tmp_path) - {"model.checkpoint"} == {"model", ".model-b-abcd1234"}
