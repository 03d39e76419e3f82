"""A bit flipped in any file: an error that names the file, or the result of a clean run; never another result."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from emovoz import FeatureStore, Recognizer
from emovoz.errors import InputError
from emovoz.features.upkeep import verify
from faults_tried import how_many, tally
from outcomes import features
from warm import Warm

FLIPS = how_many(400, 12)
"""Of each kind of file."""
IN_RUNS = how_many(40, 1)
"""Of each kind of file, with a whole run of the command line after it."""


def flip(path: Path, draw: random.Random) -> str:
    """Flip a bit; what is told of it."""
    content = bytearray(path.read_bytes())
    at, bit = draw.randrange(len(content)), draw.randrange(8)
    content[at] ^= 1 << bit
    path.write_bytes(content)
    return f"{path.name}: bit {bit} of byte {at}"


@pytest.fixture(scope="module")
def store(small_model: Path) -> Path:
    return small_model.parent / "store"


@pytest.mark.parametrize("kind", ["shard-*", "shards.index"])
def test_verify_names_the_file_in_a_store(kind: str, store: Path, tmp_path: Path) -> None:
    draw, found = random.Random(f"verify {kind}"), 0
    copy = shutil.copytree(store, tmp_path / "store")
    files = sorted(copy.rglob(kind))
    for _ in range(FLIPS):
        path = draw.choice(files)
        sound = path.read_bytes()
        told = flip(path, draw)
        assert path in [one.path for one in verify(FeatureStore(copy)).damaged], told
        path.write_bytes(sound)
        found += 1
    tally(f"bit flip in {kind}", injected=FLIPS, survived=found)


@pytest.mark.parametrize("kind", ["shard-*", "shards.index"])
def test_a_run_after_a_flip_in_the_store_gives_the_same_model(
    kind: str,
    small_model: Path,
    store: Path,
    warm: Warm,
    few_clips: Path,
    gradient: list[str],
    tmp_path: Path,
) -> None:
    draw, wanted = random.Random(f"run {kind}"), (small_model / "model.safetensors").read_bytes()
    kept = features(store)
    for i in range(IN_RUNS):
        copy = shutil.copytree(store, tmp_path / f"store{i}")
        told = flip(draw.choice(sorted(copy.rglob(kind))), draw)
        model = tmp_path / f"model{i}"
        done = warm.run("train", few_clips, "--audio-dir", "/", *gradient, "--store", copy, "--out", model)
        assert done.code == 0, (told, done.err)
        assert (model / "model.safetensors").read_bytes() == wanted, told
        assert features(copy) == kept, told
    tally(f"bit flip in {kind}, then train", injected=IN_RUNS, survived=IN_RUNS)


@pytest.mark.parametrize(
    "file", ["model.safetensors", "recognizer.json", "config.json", "recipe.yaml", "checksums.json"]
)
def test_a_model_is_loaded_as_it_was_saved_or_its_damage_named(file: str, small_model: Path, tmp_path: Path) -> None:
    draw, survived = random.Random(f"model {file}"), 0
    copy = shutil.copytree(small_model, tmp_path / "model")
    sound = (copy / file).read_bytes()
    wanted = state_of(Recognizer.from_pretrained(copy))
    for _ in range(FLIPS if file == "model.safetensors" else FLIPS // 4):
        told = flip(copy / file, draw)
        outcome = loaded(copy)
        assert outcome == wanted or str(copy) in str(outcome), told
        survived += 1
        (copy / file).write_bytes(sound)
    tally("bit flip in a model", injected=survived, survived=survived)


def loaded(model: Path) -> Any:
    """All that predictions of a model depend on, or the error that says why it is not loaded."""
    try:
        return state_of(Recognizer.from_pretrained(model))
    except InputError as error:
        return error


def state_of(recognizer: Recognizer) -> Any:
    """All that predictions depend on."""
    weights = {name: tensor.tolist() for name, tensor in recognizer.head.state_dict().items()}
    decides = (recognizer.labels, recognizer.temperature, recognizer.thresholds)
    recipe = recognizer.recipe.model_dump_json(exclude={"name", "description"})
    return weights, decides, recipe, asdict(recognizer.head.config)


@pytest.mark.parametrize("kind", ["checkpoint.json", "*.safetensors", "optimizer.pt", "*"])
def test_a_run_that_resumes_from_a_flipped_checkpoint_stops_and_names_it(
    kind: str, half_trained: Callable[[Path], list[Any]], small_model: Path, warm: Warm, tmp_path: Path
) -> None:
    draw = random.Random(f"checkpoint {kind}")
    wanted = (small_model / "model.safetensors").read_bytes()
    survived = 0
    for i in range(IN_RUNS):
        folder = tmp_path / str(i)
        command = half_trained(folder)
        files = [path for path in (folder / "model.checkpoint").rglob(kind) if path.is_file()]
        if not files:
            continue
        told = flip(draw.choice(sorted(files)), draw)
        done = warm.run(*command, "--resume")
        if done.code == 0:
            # such as a blank in a list of names
            assert (folder / "model" / "model.safetensors").read_bytes() == wanted, told
        else:
            assert done.code == 2, (told, done.err)
            assert "checkpoint" in done.err, told
            assert "leave --resume out" in done.err, told
            assert "Traceback" not in done.err
        survived += 1
    tally("bit flip in a checkpoint", injected=survived, survived=survived)


@pytest.fixture(scope="module")
def half_trained(
    warm: Warm, few_clips: Path, gradient: list[str], store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], list[Any]]:
    """Puts a killed training into a folder; the command line that would go on."""
    first = tmp_path_factory.mktemp("half")

    def command(folder: Path) -> list[Any]:
        options = ["--audio-dir", "/", *gradient, "--store", store, "--out", folder / "model"]
        return ["train", few_clips, *options]

    # as the checkpoint of the third epoch is put in its place
    killed = warm.run(*command(first), at=[0, "kill", ""], within="/000003")
    assert killed.killed, killed.err

    def copied(folder: Path) -> list[Any]:
        shutil.copytree(first / "model.checkpoint", folder / "model.checkpoint")
        return command(folder)

    return copied


def test_json_of_a_finished_run_that_is_damaged_is_not_taken(
    warm: Warm, few_clips: Path, gradient: list[str], store: Path, tmp_path: Path
) -> None:
    draw, out = random.Random("runs"), tmp_path / "out"
    options = ["--audio-dir", "/", "--folds", 2, "--seeds", 1, *gradient, "--store", store, "--out", out]
    assert warm.run("crossval", few_clips, *options).code == 0
    wanted = json.loads((out / "results.json").read_text())
    (kept,) = (out / "runs").iterdir()
    sound = kept.read_bytes()
    for _ in range(IN_RUNS):
        kept.write_bytes(sound)
        told = flip(kept, draw)
        done = warm.run("crossval", few_clips, *options, "--resume")
        assert done.code == 0, (told, done.err)
        found = json.loads((out / "results.json").read_text())
        assert {**found, "seconds": 0} == {**wanted, "seconds": 0}, told
    tally("bit flip in a finished run", injected=IN_RUNS, survived=IN_RUNS)
