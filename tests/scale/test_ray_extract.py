"""Extraction by processes of a real Ray."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emovoz import Clip, Corpus, InputError, Recipe
from emovoz.cli import app
from emovoz.features import FeatureStore, FrozenEncoders
from emovoz.features.encoding import wanted_of
from emovoz.scale.encoding import Encoding, Task, extract_on_ray
from helpers import write_manifest
from ray_runs import encoder_processes, locally, one_killed, repeated, segments, tensors

PIECES = 4
"""Of 200 s."""


@pytest.fixture(scope="module")
def corpus(speech_samples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Clips of 24 minutes: six portions, one of words, and a recording that is encoded in pieces."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    return Corpus([*segments(speech_samples, path, 120), Clip("long", path, start=0.0, end=200.0)])


@pytest.fixture(scope="module")
def local(corpus: Corpus, tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return locally(corpus, tiny_recipe, tmp_path_factory.mktemp("local"))


def test_an_encoder_process_killed_in_mid_run_costs_nothing_and_repeats_nothing(
    corpus: Corpus, local: FeatureStore, tiny_recipe: Recipe, ray_address: str, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path)
    with one_killed(tmp_path) as killed:
        done = extract_on_ray(corpus, tiny_recipe, store, workers=2)
    assert len(killed) == 1
    assert done.encoded["speech"] == 120 + PIECES
    assert tensors(tmp_path) == tensors(local.root)
    assert repeated(tmp_path) == []
    assert not list(tmp_path.rglob(".shard-*"))
    again = extract_on_ray(corpus, tiny_recipe, FeatureStore(local.root), workers=2)
    assert not any(again.encoded.values())


def test_a_task_that_is_done_twice_is_stored_once(demo: Corpus, tiny_recipe: Recipe, tmp_path: Path) -> None:
    branch = FrozenEncoders.of(tiny_recipe).branches["speech"]
    pieces = {piece.key: piece for clip in demo.clips[:5] for piece in branch.pieces(clip)}
    task = Task("speech", [wanted_of(branch, pieces, FeatureStore(tmp_path))])
    (tmp_path / branch.encoder.fingerprint).mkdir()
    places = {branch.encoder.fingerprint: str(tmp_path / branch.encoder.fingerprint)}
    encode = Encoding(tiny_recipe, places)()
    assert [encode(task)[1].contents for _ in range(2)] == [5, 5]
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    assert repeated(tmp_path) == []


def test_a_machine_with_another_encoder_is_told_of(demo: Corpus, tiny_recipe: Recipe) -> None:
    encode = Encoding(tiny_recipe, {"another fingerprint": "nowhere"})()
    with pytest.raises(InputError, match="a machine of the cluster has another speech encoder"):
        encode(Task("speech", []))


def test_a_run_that_is_killed_is_gone_on_with(
    corpus: Corpus, local: FeatureStore, tiny_recipe: Recipe, ray_address: str, tmp_path: Path
) -> None:
    rows = [
        {"id": clip.id, "audio": str(clip.audio), "start": str(clip.start), "end": str(clip.end)}
        | {"transcription": clip.transcription or ""}
        for clip in corpus
    ]
    manifest = write_manifest(tmp_path / "corpus.csv", rows)
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(tiny_recipe.to_yaml())
    root = tmp_path / "store"
    arguments = ["extract", str(manifest), "--recipe", str(recipe), "--store", str(root), "--engine", "ray"]
    command = [sys.executable, "-c", "from emovoz.cli import main; main()", *arguments, "--workers", "1"]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until(lambda: any(root.glob("*/shard-*.safetensors")) or running.poll() is not None)
    running.send_signal(signal.SIGKILL)
    running.wait()
    # the cluster ends the processes of a run that is gone
    until(lambda: not encoder_processes())
    stopped_at = len(tensors(root))
    assert 0 < stopped_at < len(tensors(local.root))
    extract_on_ray(corpus, tiny_recipe, FeatureStore(root), workers=1)
    assert tensors(root) == tensors(local.root)
    assert repeated(root) == []
    assert not list(root.rglob(".shard-*"))


def test_clips_that_cannot_be_used_are_told_at_once_and_the_others_stored(
    demo: Corpus, tiny_recipe: Recipe, ray_address: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF....WAVE")
    bad = [Clip("broken", tmp_path / "broken.wav"), Clip("absent", tmp_path / "absent.wav")]
    store = FeatureStore(tmp_path / "store")
    with pytest.raises(InputError) as caught:
        extract_on_ray(Corpus([*demo.clips[:3], *bad]), tiny_recipe, store, workers=1)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["broken", "absent"]
    assert tensors(store.root) == tensors(locally(Corpus(demo.clips[:3]), tiny_recipe, tmp_path / "local").root)


def test_more_workers_than_processors_are_refused(tiny_recipe: Recipe, demo: Corpus, ray_address: str) -> None:
    with pytest.raises(InputError, match="--workers 99: the cluster has 3 processors"):
        extract_on_ray(demo, tiny_recipe, FeatureStore("nowhere"), workers=99)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match="--engine spark: choose local or ray"):
        app(["extract", "corpus.csv", "--engine", "spark"], standalone_mode=False)


def until(happens: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
