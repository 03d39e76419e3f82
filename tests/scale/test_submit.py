"""Verbs as jobs: what a job array gives is what the verb gives, and what is stopped goes on."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import local_slurm as slurm
from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, crossval, extract, train
from emovoz.cli import app
from emovoz.evaluation import crossval_part
from emovoz.features import FrozenEncoders, extract_part
from emovoz.features.upkeep import verify
from emovoz.scale.submit import Resources, Stage, in_parts, launched, run_here, submit_to_slurm
from helpers import write_manifest

SMALL = Resources(minutes=30, cpus=1)


@pytest.fixture(scope="module")
def texts(demo: Corpus) -> Corpus:
    """36 texts of six speakers."""
    return Corpus(
        [
            Clip(c.id, transcription=c.transcription, label=c.label, speaker=f"s{i % 6}")
            for i, c in enumerate(demo.clips[:36])
        ]
    )


@pytest.fixture(scope="module")
def manifest(texts: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {
            "id": clip.id,
            "label": str(clip.label),
            "speaker": str(clip.speaker),
            "transcription": str(clip.transcription),
        }
        for clip in texts
    ]
    return write_manifest(tmp_path_factory.mktemp("submit") / "clips.csv", rows)


@pytest.fixture
def recipe(tiny_bert: Path) -> Callable[..., Recipe]:
    def made(*settings: str) -> Recipe:
        return Recipe.load("text-gradient", [f"text.model={tiny_bert}", "text.layers=all", *settings])

    return made


@pytest.mark.slow
def test_a_cross_validation_in_parts_is_the_whole_one(
    texts: Corpus, manifest: Path, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    chosen = recipe("training.epochs=3", "name=mine")
    (tmp_path / "mine.yaml").write_text(chosen.to_yaml())
    arguments = [str(manifest), "--recipe", str(tmp_path / "mine.yaml"), "--folds", "3", "--seeds", "2"]
    out = tmp_path / "out"
    store = FeatureStore(tmp_path / "store")
    array, report = in_parts("crossval", [*arguments, "--store", str(store.root), "--out", str(out)], 2)
    # the first job's part is done here, to save a process
    crossval_part(texts, chosen, 1, 2, finished=out / "runs", folds=3, seeds=2, store=store)
    ids = run_here([Stage("second", [array.commands[1]]), report], SMALL, tmp_path / "logs")
    whole = crossval(texts, chosen, folds=3, seeds=2, store=store)
    assert plain(json.loads((out / "results.json").read_text())) == plain(whole.results)
    whole.save(tmp_path / "whole")
    assert (out / "predictions.csv").read_text() == (tmp_path / "whole" / "predictions.csv").read_text()
    # nothing is left of the parts
    assert [path.name for path in (out / "runs").iterdir()] == ["mine.json"]
    # the fits were those of the jobs
    told = (tmp_path / "logs" / f"{ids[-1]}_0_log.err").read_text()
    assert "encoding" not in told
    assert "training:" not in told


@pytest.fixture(autouse=True)
def _threads_of_jobs() -> Iterator[None]:
    """As many threads as jobs are given: with others, sums end in other digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", before)))
    yield
    torch.set_num_threads(before)


def plain(results: dict[str, Any]) -> Any:
    """Without times, and without the last digits: a process of its own may have another number of threads."""
    without = {name: value for name, value in results.items() if name != "seconds"}
    return json.loads(json.dumps(without), parse_float=lambda digits: round(float(digits), 6))


def test_parts_of_several_recipes_divide_all_fits_and_are_done_once(
    texts: Corpus, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipes = [recipe("training.epochs=1", f"name={name}") for name in ("one", "two")]
    store, runs = FeatureStore(tmp_path / "store"), tmp_path / "runs"

    def part(number: int) -> int:
        return crossval_part(texts, recipes, number, 3, finished=runs, folds=2, seeds=2, store=store)

    assert [part(number) for number in (1, 2, 3)] == [3, 3, 2]
    kept = {path: path.stat().st_mtime_ns for path in runs.rglob("*.json")}
    assert len(kept) == 8
    # one that is started again takes what is there, and does anew what is damaged
    damaged = sorted(kept)[0]
    damaged.write_text(damaged.read_text()[:100])
    assert [part(number) for number in (1, 2, 3)] == [3, 3, 2]
    changed = [path for path, written in kept.items() if path.stat().st_mtime_ns != written]
    assert changed == [damaged]


def test_parts_of_an_extraction_fill_one_store(texts: Corpus, recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    encoders = FrozenEncoders.of(recipe())
    store = FeatureStore(tmp_path / "store")
    done = [extract_part(texts, encoders, FeatureStore(tmp_path / "store"), part, 3) for part in (1, 2, 3)]
    assert [one.clips for one in done] == [12, 12, 12]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
    assert not verify(store).damaged
    assert extract(texts, encoders, store).encoded == {"text": 0}
    # what is there is not encoded again
    assert extract_part(texts, encoders, store, 2, 3).encoded == {"text": 0}
    # more parts than clips
    assert extract_part(texts.select(range(2)), encoders, store, 3, 3).clips == 0


def test_a_dry_run_prints_what_slurm_would_get(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(["train", str(manifest), "--recipe", "text", "--dry-run", "--out", "m", "--gpus", "2", "--nodes", "3",
             "--time", "1-02:00:00", "--partition", "long", "--set", "training.epochs=2"])  # fmt: skip
    script = capsys.readouterr().out
    for line in ("--gpus-per-node=2", "--nodes=3", "--time=1560", "--partition=long", "--requeue", "--signal=USR2@90"):
        assert f"#SBATCH {line}" in script
    assert f"# emovoz train {manifest} --recipe text --out m --set training.epochs=2" in script
    printed(["crossval", str(manifest), "--recipe", "text", "--dry-run", "--out", "o", "--folds", "2", "--seeds", "2"])
    array, report = capsys.readouterr().out.split("#!/bin/bash")[1:]
    assert "#SBATCH --array=0-3%4" in array
    assert "--seeds 2 --part 4/4" in array
    assert "#SBATCH --dependency=afterok" in report
    assert "--seeds 2 --resume" in report
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_needs_no_corpus(capsys: pytest.CaptureFixture[str], shown: Callable[[], str]) -> None:
    printed(["train", "train.csv", "--recipe", "bsc-upc-3", "--dry-run"])
    told = capsys.readouterr()
    assert "# emovoz train train.csv --recipe bsc-upc-3" in told.out
    assert "train.csv: cannot be read" in told.err


def printed(arguments: list[str]) -> None:
    app(["submit", *arguments], standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serve", "model"], "submit serve: no work for a cluster"),
        (["train", "MANIFEST", "--out", "m", "--set", "training.epoch=1"], "training.epoch: no such setting"),
        (["train", "gone.csv", "--out", "m"], "gone.csv"),
        (["train", "MANIFEST", "--out", "m", "--shards", "2"], "--shards: train cannot be divided"),
        (["crossval", "MANIFEST", "--recipe", "text"], "--out: name the folder"),
        (["crossval", "MANIFEST", "--recipe", "text", "--out", "o", "--folds", "99"], "99"),
        (["extract", "MANIFEST", "--recipe", "text", "--nodes", "2"], "extract takes one machine"),
        (["train", "MANIFEST", "--recipe", "text", "--out", "m", "--time", "soon"], "--time soon"),
    ],
)
def test_what_cannot_be_is_told_before_it_waits_in_a_queue(manifest: Path, arguments: list[str], told: str) -> None:
    given = [str(manifest) if one == "MANIFEST" else one for one in arguments]
    with pytest.raises(InputError, match=told):
        printed(given)


def test_a_job_of_several_machines_meets_at_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from submitit.slurm.slurm import SlurmJobEnvironment

    for name, value in {"JOB_ID": "12345", "JOB_NUM_NODES": "2", "JOB_NODELIST": "gpu[07-08]"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    command = launched(["train", "a.csv", "--out", "m"], 4, SlurmJobEnvironment())
    assert "--nnodes=2" in command
    assert "--nproc-per-node=4" in command
    assert "--rdzv-endpoint=gpu07:22345" in command
    assert command[-6:] == ["-m", "emovoz", "train", "a.csv", "--out", "m"]


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm.why_not()), reason=str(slurm.why_not()))
def test_a_training_that_slurm_stops_goes_on_and_gives_the_same_model(
    texts: Corpus, manifest: Path, recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = recipe("training.epochs=300")
    (tmp_path / "mine.yaml").write_text(chosen.to_yaml())
    out, checkpoint = tmp_path / "model", tmp_path / "model.checkpoint"
    arguments = ["train", str(manifest), "--recipe", str(tmp_path / "mine.yaml"), "--out", str(out)]
    (tmp_path / "slurm").mkdir()
    with slurm.started(tmp_path / "slurm") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        (job,) = submit_to_slurm(in_parts("train", arguments[1:], 1), SMALL, tmp_path / "logs")
        # the first checkpoint comes with the end of the first fit
        until(lambda: bool(list(checkpoint.glob("[0-9]*"))))
        subprocess.run(["scancel", "--signal=USR2", job], check=True)
        until(lambda: "COMPLETED" in state_of(job))
        assert "Restarts=1" in state_of(job)
    log = (tmp_path / "logs" / f"{job}_0_log.err").read_text()
    assert "going on from the checkpoint" in log
    assert not checkpoint.exists()
    train(texts, chosen, store=FeatureStore(tmp_path / "store")).save_pretrained(tmp_path / "whole")
    whole, resumed = ((folder / "model.safetensors").read_bytes() for folder in (tmp_path / "whole", out))
    assert resumed == whole


def state_of(job: str) -> str:
    return subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout


def until(true: Callable[[], bool], seconds: float = 400.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)
