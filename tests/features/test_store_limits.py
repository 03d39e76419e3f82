"""A store at its limits: no room, no permission, several processes, one of them killed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Waveform, extract
from emovoz.features import FrozenEncoders, StoredFeatures
from emovoz.features.index import INDEX
from emovoz.features.keys import text_key

ENCODER = "a" * 32


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own."""
    command = [sys.executable, "-c", script, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_is_told_and_the_next_run_goes_on(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "3m"):
        store = FeatureStore(disk / "store")
        assert store.free_bytes() == 3 * 2**20
        features = {f"clip{i}": torch.full((50, 1000), float(i)) for i in range(20)}

        def encode() -> None:
            with store.writing(ENCODER, shard_bytes=400_000) as writer:
                for key in store.missing(ENCODER, features, [0]):
                    writer.add(key, {0: features[key]})

        with pytest.raises(InputError) as caught:
            encode()
        message = str(caught.value)
        for part in ("disk is full", "MB free", str(disk / "store" / ENCODER), "is kept", "--store", "features.stride"):
            assert part in message
        assert not list(disk.rglob(".shard-*"))
        left = FeatureStore(disk / "store").missing(ENCODER, features, [0])
        assert 0 < len(left) < 20
        for key in features.keys() - set(left):
            torch.testing.assert_close(store.read(ENCODER, key, [0])[0], features[key], rtol=0, atol=0)
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        encode()
        assert FeatureStore(disk / "store").missing(ENCODER, features, [0]) == []
        torch.testing.assert_close(store.read(ENCODER, left[0], [0])[0], features[left[0]], rtol=0, atol=0)


def test_a_limit_on_the_size_of_files_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    script = (
        "import resource, sys, torch; from emovoz import FeatureStore;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "store = FeatureStore(sys.argv[1]); w = store.writing('a' * 32, shard_bytes=50_000); writer = w.__enter__();"
        "writer.add('small', {0: torch.zeros(100, 200)});"
        "writer.add('large', {0: torch.zeros(100, 300)})"
    )
    process = run(script, str(tmp_path))
    _, error = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "InputError" in error
    assert "ulimit -f" in error
    assert not list(tmp_path.rglob(".shard-*"))
    assert FeatureStore(tmp_path).missing(ENCODER, ["small", "large"], [0]) == ["large"]


def test_what_would_not_fit_is_told_before(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "not" / "yet" / "there")
    disk = os.statvfs(tmp_path)
    free = disk.f_bavail * disk.f_frsize
    assert store.free_bytes() == pytest.approx(free, rel=0.05)
    store.check_room(1000)
    for needed in (2 * free, free):
        with pytest.raises(InputError, match="would not fit"):
            store.check_room(needed)
    assert not (tmp_path / "not").exists()


@contextmanager
def reader_only(folder: Path) -> Iterator[None]:
    """As somebody who may read the folder and not write to it."""
    root = os.geteuid() == 0
    # root may write anywhere, so it becomes somebody else, who must be let in; others take their own permission away
    paths = [folder, *folder.parents][:-1] if root else [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode | 0o055 if root else mode & ~0o222)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


def test_a_store_that_may_only_be_read_serves_what_it_holds_and_is_not_touched(tmp_path: Path) -> None:
    fill_one(tmp_path / "store")
    (tmp_path / "store" / ENCODER / ".lock").unlink()
    (tmp_path / "store" / ENCODER / INDEX).unlink()
    before = everything(tmp_path / "store")
    with reader_only(tmp_path / "store"):
        store = FeatureStore(tmp_path / "store")
        assert store.missing(ENCODER, ["clip", "other"], [0]) == ["other"]
        assert store.read(ENCODER, "clip", [0]).shape == (1, 5, 3)
        assert store.missing("b" * 32, ["clip"], [0]) == ["clip"]
        for fingerprint in (ENCODER, "b" * 32):
            with pytest.raises(InputError) as caught, store.writing(fingerprint):
                pass
            assert "cannot be written to (Permission denied)" in str(caught.value)
            assert "--store" in str(caught.value)
    assert everything(tmp_path / "store") == before
    assert not (tmp_path / "store" / ("b" * 32)).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_store_on_a_read_only_disk_serves_what_it_holds(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m"):
        fill_one(tmp_path / "disk")
        (tmp_path / "disk" / ENCODER / INDEX).unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        store = FeatureStore(tmp_path / "disk")
        assert store.read(ENCODER, "clip", [0]).shape == (1, 5, 3)
        with pytest.raises(InputError, match="Read-only"), store.writing(ENCODER):
            pass


def test_a_file_in_the_place_of_the_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(InputError, match="cannot be written to"), FeatureStore(tmp_path / "store").writing(ENCODER):
        pass


def test_training_needs_no_more_than_reading(tiny_bert: Path, tmp_path: Path) -> None:
    corpus = Corpus([Clip(f"{i}", transcription="hola " * i) for i in range(1, 5)])
    encoders = FrozenEncoders.of(Recipe.checked({"text": {"model": str(tiny_bert), "layers": [1, 2]}}))
    extract(corpus, encoders, FeatureStore(tmp_path / "store"))
    with reader_only(tmp_path / "store"):
        store = FeatureStore(tmp_path / "store")
        assert extract(corpus, encoders, store).encoded == {"text": 0}
        assert [clip.by_modality["text"].shape[1] for clip in StoredFeatures(corpus, encoders, store)] == [3, 4, 5, 6]


def fill_one(folder: Path) -> None:
    with FeatureStore(folder).writing(ENCODER) as writer:
        writer.add("clip", {0: torch.randn(5, 3)})


EXTRACT = (
    "import sys; from emovoz import Clip, Corpus, FeatureStore, Recipe, extract;"
    "from emovoz.features import FrozenEncoders;"
    "first, last = int(sys.argv[3]), int(sys.argv[4]);"
    "corpus = Corpus([Clip(f'{i}', transcription='hola ' * i) for i in range(first, last)]);"
    "encoders = FrozenEncoders.of(Recipe.checked({'text': {'model': sys.argv[2], 'layers': [0, 1, 2]}}));"
    "print('ready', flush=True); input();"
    "print(extract(corpus, encoders, FeatureStore(sys.argv[1])).encoded['text'])"
)


def test_two_processes_fill_one_store_and_nothing_is_there_twice(tiny_bert: Path, tmp_path: Path) -> None:
    parts = [("1", "9"), ("5", "13")]
    both = [run(EXTRACT, str(tmp_path), str(tiny_bert), *part) for part in parts]
    for process in both:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    # twelve texts in all, four of them in both: who came second did not encode those again
    assert sum(int(out) for out, _ in ended) == 12

    corpus = Corpus([Clip(f"{i}", transcription="hola " * i) for i in range(1, 13)])
    encoders = FrozenEncoders.of(Recipe.checked({"text": {"model": str(tiny_bert), "layers": [0, 1, 2]}}))
    store = FeatureStore(tmp_path)
    branch = encoders.branches["text"]
    for clip, features in zip(corpus, StoredFeatures(corpus, encoders, store), strict=True):
        alone = branch.encoder.encode_each([clip.transcription], branch.layers)[0]
        torch.testing.assert_close(features.by_modality["text"].float(), alone, rtol=1e-3, atol=1e-3)
    (folder,) = tmp_path.iterdir()
    assert len([path for path in folder.iterdir() if path.name.startswith("shard-")]) == 2
    assert store.missing(folder.name, [text_key(clip.transcription or "") for clip in corpus], branch.layers) == []


@pytest.mark.parametrize("seconds", [1, 100])
def test_features_taken_away_after_they_were_put_in_are_told_in_a_sentence(
    seconds: int, tiny_whisper: Path, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, seconds * 16000).astype(np.float32)
    corpus = Corpus([Clip("a", Waveform(noise, 16000))])
    encoders = FrozenEncoders.of(Recipe.checked({"speech": {"model": str(tiny_whisper)}}))
    extract(corpus, encoders, FeatureStore(tmp_path / "store"))
    shutil.rmtree(tmp_path / "store")
    features = StoredFeatures(corpus, encoders, FeatureStore(tmp_path / "store"))
    with pytest.raises(InputError, match=r"store: features that were there are gone; run the command again"):
        list(features[0].pieces())


def test_a_process_killed_while_it_writes_does_not_block_the_next(tmp_path: Path) -> None:
    script = (
        "import sys, torch; from emovoz import FeatureStore;"
        "w = FeatureStore(sys.argv[1]).writing('a' * 32); writer = w.__enter__();"
        "writer.add('clip', {0: torch.zeros(1, 1)}); print('holding', flush=True); input();"
        "w.__exit__(None, None, None)"
    )
    killed = run(script, str(tmp_path))
    assert killed.stdout
    assert killed.stdout.readline() == "holding\n"
    waiting = run(script, str(tmp_path))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    out, error = waiting.communicate("go\n", timeout=100)
    assert (out, waiting.returncode) == ("holding\n", 0), error
    assert FeatureStore(tmp_path).missing(ENCODER, ["clip"], [0]) == []
