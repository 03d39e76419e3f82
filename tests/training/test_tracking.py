"""Tracking: what tools are told of a fit can be read back with their own readers, and changes nothing."""

import csv
import json
import os
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, crossval, train
from emovoz.settings import Tracking, Training
from emovoz.training import Fitted, fit
from emovoz.training.tracking import Run, check_tracker
from fits import examples, head, tensors
from helpers import emovoz
from served import until
from training_events import events

TRAINING = Training(epochs=3, batch_size=10, validate_every=2, learning_rate=0.01)
SETTINGS = {"training.optimiser": "adamw", "speech.layers": [0, 1]}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the user's settings for these tools, no network, and no file outside the test's folder."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_", "TENSORBOARD_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)


def fitted(tool: Any, folder: Path | str = "", **tracking: Any) -> Fitted:
    run = Run(Tracking(tool=tool, folder=str(folder), **tracking), "mine-seed0", SETTINGS)
    return fit(head(), examples(30), examples(15, 1), TRAINING, run=run)


@pytest.fixture(scope="module")
def untold() -> Fitted:
    return fit(head(), examples(30), examples(15, 1), TRAINING)


def scores(history: list[dict[str, Any]]) -> dict[int, Any]:
    return {entry["step"]: pytest.approx(entry["dev_macro_f1"]) for entry in history}


def losses(history: list[dict[str, Any]]) -> dict[int, Any]:
    """Told at validations and at the ends of epochs, where they lie apart; here steps 2, 3, 4, 6, 8, 9."""
    return {entry["step"]: pytest.approx(entry["loss"]) for entry in history if entry["step"] in (2, 6, 8)}


def same(one: Fitted, other: Fitted) -> bool:
    ours, theirs = tensors(one), tensors(other)
    return one.history == other.history and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_tensorboard_reads_losses_scores_rates_and_settings(tmp_path: Path, untold: Fitted) -> None:
    told = fitted("tensorboard", tmp_path / "runs")
    assert same(told, untold)
    (folder,) = (tmp_path / "runs" / "mine-seed0").iterdir()
    values = events(folder)
    assert values["eval/macro_f1"] == scores(told.history)
    assert values["train/loss"].items() >= losses(told.history).items()
    # 9 steps, linear to zero; told is the rate of the step
    assert values["train/learning_rate"] == {step: pytest.approx(0.01 * (10 - step) / 9) for step in (2, 3, 4, 6, 8, 9)}
    assert set(values["eval/loss"]) == set(values["eval/macro_f1"])
    (file,) = folder.iterdir()
    assert b"training.optimiser" in file.read_bytes()
    assert b"label_smoothing_factor" not in file.read_bytes()


def test_wandb_keeps_a_run_offline_that_can_be_read(tmp_path: Path, untold: Fitted) -> None:
    told = fitted("wandb", tmp_path / "runs", project="voices", account="the-lab")
    assert same(told, untold)
    (run,) = (tmp_path / "runs" / "wandb").glob("offline-run-*/run-*.wandb")
    # it is written by a process of its own
    until(lambda: _wandb_file(run)[1] is not None)
    rows, about, config = _wandb_file(run)
    assert (about.project, about.entity, about.display_name) == ("voices", "the-lab", "mine-seed0")
    assert config["training.optimiser"] == "adamw"
    assert "label_smoothing_factor" not in config
    by_name: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        for name, value in row.items():
            by_name[name][row["train/global_step"]] = value
    assert by_name["eval/macro_f1"] == scores(told.history)
    assert by_name["train/loss"].items() >= losses(told.history).items()
    import wandb

    assert wandb.run is None


def _wandb_file(path: Path) -> tuple[list[dict[str, Any]], Any, dict[str, Any]]:
    """Rows of the history, the run's record, and its settings."""
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2

    rows: list[dict[str, Any]] = []
    config: dict[str, Any] = {}
    about = None
    for data in _leveldb_log(path.read_bytes()):
        record = messages.Record()
        record.ParseFromString(data)
        if record.HasField("run"):
            about = record.run
        if record.HasField("history"):
            rows.append({_key(item): json.loads(item.value_json) for item in record.history.item})
        for update in (record.config.update, record.run.config.update):
            config |= {_key(item): json.loads(item.value_json) for item in update}
    return rows, about, config


def _key(item: Any) -> str:
    return item.key or "/".join(item.nested_key)


def _leveldb_log(content: bytes) -> Iterator[bytes]:
    """The records of wandb's file: a header of 7 bytes, then LevelDB's log format, in blocks of 32 KiB."""
    at, record = 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        # whole, or the last part of one
        if kind in (1, 4):
            yield record
            record = b""


def test_mlflow_reads_losses_scores_and_settings(tmp_path: Path, untold: Fitted) -> None:
    import mlflow

    told = fitted("mlflow", tmp_path / "runs", project="voices")
    assert same(told, untold)
    assert not mlflow.is_tracking_uri_set()
    assert mlflow.active_run() is None
    client = mlflow.MlflowClient((tmp_path / "runs").as_uri())
    experiment = client.get_experiment_by_name("voices")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("mine-seed0", "FINISHED")
    assert run.data.params["training.optimiser"] == "adamw"
    assert "label_smoothing_factor" not in run.data.params

    def read(name: str) -> dict[int, float]:
        return {metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, name)}

    assert read("eval_macro_f1") == scores(told.history)
    assert read("loss").items() >= losses(told.history).items()


def test_what_the_tools_take_from_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    theirs = tmp_path / "theirs"
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(theirs / "tensorboard"))
    monkeypatch.setenv("WANDB_DIR", str(theirs))
    monkeypatch.setenv("WANDB_PROJECT", "of-the-lab")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (theirs / "mlflow").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-the-lab")
    for tool in ("tensorboard", "wandb", "mlflow"):
        fitted(tool, tmp_path / "ours")
    assert list((theirs / "tensorboard" / "mine-seed0").iterdir())
    (run,) = (theirs / "wandb").glob("offline-run-*/run-*.wandb")
    assert _wandb_file(run)[1].project == "of-the-lab"
    assert mlflow.MlflowClient((theirs / "mlflow").as_uri()).get_experiment_by_name("of-the-lab")
    assert not (tmp_path / "ours").exists()


def test_a_tool_that_is_not_installed_or_a_folder_that_cannot_be_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        check_tracker(Tracking(tool="tensorboard", folder=str(tmp_path / "file")))
    check_tracker(Tracking(tool="mlflow", folder="http://localhost:5000"))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    with pytest.raises(InputError, match=r"wandb is not installed: pip install 'emovoz\[tracking\]'"):
        check_tracker(Tracking(tool="wandb"))
    check_tracker(Tracking())


@pytest.fixture
def texts(demo: Corpus) -> Corpus:
    return Corpus([Clip(c.id, transcription=c.transcription, label=c.label) for c in demo.clips[:36]])


def test_every_fit_is_a_run_of_its_own(texts: Corpus, tiny_bert: Path, tmp_path: Path) -> None:
    settings = [f"text.model={tiny_bert}", "text.layers=all", "training.epochs=2", "tracking.tool=tensorboard"]
    recipe = Recipe.load("text-gradient", [*settings, f"tracking.folder={tmp_path / 'runs'}"])
    store = FeatureStore(tmp_path / "store")
    train(texts, recipe, store=store)
    crossval(texts, recipe.with_seed(4), folds=2, seeds=2, store=store)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "text-gradient-seed0",
        "text-gradient-seed0-held-out",
        *(f"text-gradient-seed{seed}-fold{fold}" for seed in (4, 5) for fold in (0, 1)),
    ]
    # what learns from all clips has no dev clips, and what measures it has
    for name, scored in {"text-gradient-seed0": False, "text-gradient-seed0-held-out": True}.items():
        (folder,) = (tmp_path / "runs" / name).iterdir()
        assert ("eval/macro_f1" in events(folder)) == scored


def test_the_command_line_prints_results_alone_where_a_tool_is_told(
    texts: Corpus, tiny_bert: Path, tmp_path: Path
) -> None:
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "label", "transcription"], *([c.id, c.label, c.transcription] for c in texts)]
        )
    done = emovoz(
        *[
            "train",
            str(tmp_path / "clips.csv"),
            "--recipe",
            "text-gradient",
            "--out",
            str(tmp_path / "model"),
            "--json",
        ],
        *[f"--set=text.model={tiny_bert}", "--set=text.layers=all", "--set=training.epochs=2"],
        *["--set=tracking.tool=mlflow", f"--set=tracking.folder={tmp_path / 'runs'}"],
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["clips"] == 36
    assert "Traceback" not in done.stderr
