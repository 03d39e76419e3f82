"""A training that is stopped goes on exactly: the same weights, the same history, the same order of clips."""

import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Recognizer, train
from emovoz.settings import Evaluation, Text
from faults_tried import SOAK
from helpers import emovoz

FROZEN = ("default-gradient", ["model.hidden_width=16"])
SEQUENCES = ("default-gradient", ["model.standardise=false", "model.layer_mix=weighted", "model.hidden_width=16"])
ATTENTION = (SEQUENCES[0], [*SEQUENCES[1], "model.pooling=attention", "model.layer_norm=true"])
TIME = (ATTENTION[0], [*ATTENTION[1], "model.fusion=time"])
RESNET = ("default-gradient", [*SEQUENCES[1], "model.front_end=resnet34", "features.stride=8"])
QUIET = ["model.dropout=0", "model.input_dropout=0", "augmentation.modality_dropout=0"]
PLATEAU = ["training.schedule=plateau", "training.plateau_patience=1", "training.plateau_factor=0.5"]
WITHIN = ["training.validate_every=3", "training.patience=9"]
SGD = ["training.optimiser=sgd", "training.learning_rate=0.05", "training.warmup=0.2"]
BALANCED = ["training.sampling=balanced", "training.accumulation=2", "training.optimiser=rmsprop"]
BEST = ["training.keep=best", "training.patience=3", "training.epochs=12", "training.learning_rate=0.01"]

VIEWS = ["augmentation.views=2", "augmentation.speed={}", "augmentation.noise={}", "augmentation.mixup=0.4"]

# 36 clips and 4 epochs: a fit of everything shows 144 examples, one without a part held out 128 and comes first; a
# process that resumes shows one fewer
EVERY: dict[str, tuple[tuple[str, list[str]], list[str], bool, list[int]]] = {
    "plain": (FROZEN, QUIET, False, [50]),
    "dropout": (FROZEN, [], True, [10, 40, 80]),
    "second fit": (FROZEN, [], False, [100, 128 - 72 + 50, 40]),
    "selection": (FROZEN, ["selection.grid={training.learning_rate: [0.001, 0.01]}"], False, [170, 128 - 42 + 60]),
    "best with patience": (FROZEN, BEST, True, [75, 100]),
    "mixup": (FROZEN, ["augmentation.mixup=0.4"], True, [120]),
    "attention": (ATTENTION, ["augmentation.modality_dropout=0.3"], True, [37, 37]),
    "time fusion, best": (TIME, BEST, True, [80, 80]),
    "batch statistics, best": (RESNET, [*BEST, "training.epochs=3"], True, [60]),
    "adapters": (FROZEN, ["speech.lora={last: 1, dropout: 0.2}", "text.lora={last: 2}"], False, [50, 120]),
    "crop": (ATTENTION, ["augmentation.crop_seconds=0.5"], True, [130]),
    "views, crop and mixup": (ATTENTION, [*VIEWS, "augmentation.crop_seconds=0.5"], True, [90]),
    "plateau within epochs": (FROZEN, [*BEST, *PLATEAU, *SGD, *WITHIN], True, [80, 100]),
    "balanced, accumulated": (ATTENTION, [*BALANCED, "training.loss=focal"], True, [80]),
    "crop and mixup, second fit": (
        TIME,
        ["augmentation.crop_seconds=0.5", "augmentation.mixup=0.4"],
        False,
        [100, 120],
    ),
}
LONG = {"plain", "second fit", "best with patience", "mixup", "attention", "crop", "time fusion, best", "selection"}
"""Of which the others have every part."""
PLANS = {name: plan for name, plan in EVERY.items() if SOAK or name not in LONG}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, demo: Corpus) -> Path:
    """36 clips of the demo corpus to learn from, and 12 of another voice as dev."""
    chosen = [*demo.split("train").clips[::3][:36], *demo.split("dev").clips[::2]]
    path = tmp_path_factory.mktemp("resume") / "clips.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "audio", "label", "speaker", "split", "transcription"])
        for clip in chosen:
            writer.writerow([clip.id, clip.audio, clip.label, clip.speaker, clip.split, clip.transcription])
    return path


@pytest.fixture(scope="module")
def outcomes(manifest: Path, tiny_whisper: Path, tiny_bert: Path) -> dict[str, dict[str, Any]]:
    """What came of every plan."""
    tiny = [f"speech.model={tiny_whisper}", f"text.model={tiny_bert}", "speech.layers=all", "text.layers=all"]
    plans = [
        {
            "folder": str(manifest.parent / name.replace(" ", "-")),
            "manifest": str(manifest),
            "audio_dir": "/",
            "store": str(manifest.parent / "store"),
            "recipe": recipe,
            "settings": [*tiny, "training.epochs=4", "training.batch_size=8", *settings, *more],
            "dev": dev,
            "kills": kills,
        }
        for name, ((recipe, settings), more, dev, kills) in PLANS.items()
    ]
    with ThreadPoolExecutor() as pool:
        halves = list(pool.map(carried_out, [plans[::2], plans[1::2]]))
    return dict(zip([*list(PLANS)[::2], *list(PLANS)[1::2]], itertools.chain(*halves), strict=True))


def carried_out(plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    script = Path(__file__).with_name("killed.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script)],
        input=json.dumps(plans),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # the bars that transformers draws where it saves
    assert "Writing" not in done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", PLANS)
def test_a_killed_and_resumed_training_gives_what_an_uninterrupted_one_gives(
    outcomes: dict[str, dict[str, Any]], name: str
) -> None:
    outcome = outcomes[name]
    kills = PLANS[name][3]
    assert outcome["codes"] == [0, *[-signal.SIGKILL] * len(kills), 0]
    assert outcome["resumed"]["history"] == outcome["whole"]["history"]
    assert outcome["resumed"]["weights"] == outcome["whole"]["weights"]


@pytest.mark.parametrize("name", PLANS)
def test_a_resumed_training_shows_only_what_was_left_and_in_the_same_order(
    outcomes: dict[str, dict[str, Any]], name: str
) -> None:
    shown = outcomes[name]["shown"]
    assert 0 < len(shown["resumed"]) < len(shown["whole"])
    assert shown["whole"][-len(shown["resumed"]) :] == shown["resumed"]


@pytest.mark.parametrize("name", [name for name in PLANS if "second fit" in name])
def test_a_finished_fit_is_not_done_again(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    sizes = {kind: [line.split()[0] for line in lines if line] for kind, lines in outcomes[name]["shown"].items()}
    assert set(sizes["whole"]) == {"36", "32"}
    assert set(sizes["resumed"]) == {"36"}


@pytest.fixture
def texts(demo: Corpus) -> Corpus:
    return Corpus([Clip(c.id, transcription=c.transcription, label=c.label) for c in demo.clips[:36]])


@pytest.fixture
def recipe(tiny_bert: Path) -> Recipe:
    return Recipe.load("text-gradient", [f"text.model={tiny_bert}", "text.layers=all", "training.epochs=3"])


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


def test_a_finished_training_is_not_done_again_and_checkpoints_change_nothing(
    texts: Corpus, recipe: Recipe, store: FeatureStore, tmp_path: Path
) -> None:
    whole = train(texts, recipe, store=store)
    kept = train(texts, recipe, store=store, checkpoint=tmp_path / "c", checkpoint_seconds=0)
    (newest,) = (tmp_path / "c").iterdir()
    again = train(texts, recipe, store=store, checkpoint=tmp_path / "c", resume=True)
    assert list((tmp_path / "c").iterdir()) == [newest]
    for recognizer in (kept, again):
        recognizer.save_pretrained(tmp_path / "model")
        assert recognizer.history == whole.history
        assert weights(tmp_path / "model") == saved_weights(whole, tmp_path / "whole")
        assert not list((tmp_path / "model").glob("*/*"))


def test_a_checkpoint_serves_no_other_recipe_data_or_encoder(
    texts: Corpus, recipe: Recipe, store: FeatureStore, tmp_path: Path, tiny_bert: Path
) -> None:
    train(texts, recipe, store=store, checkpoint=tmp_path / "c")

    def refused(corpus: Corpus = texts, recipe: Recipe = recipe, dev: Corpus | None = None) -> str:
        with pytest.raises(InputError) as caught:
            train(corpus, recipe, dev=dev, store=store, checkpoint=tmp_path / "c", resume=True)
        return str(caught.value)

    first = texts.clips[0]
    assert "training.seed was 0, is 1;" in refused(recipe=recipe.with_seed(1))
    assert "data was 36 clips" in refused(Corpus(texts.clips[1:]))
    assert "data was 36 clips" in refused(Corpus(texts.clips[::-1]))
    assert "data was 36 clips" in refused(Corpus([replace(first, transcription="otra"), *texts.clips[1:]]))
    assert "data was 36 clips" in refused(Corpus([replace(first, speaker="ana"), *texts.clips[1:]]))
    assert "dev data was None, is 36 clips" in refused(dev=texts)
    assert "labels was" in refused(texts.without(texts.labels[0]))
    other = tmp_path / "encoder"
    shutil.copytree(tiny_bert, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-3}))
    moved = recipe.model_copy(update={"text": Text(model=str(other))})
    assert "encoders.text was" in refused(recipe=moved)
    # its name and how it is scored make no other training
    renamed = recipe.model_copy(update={"name": "mine", "evaluation": Evaluation(bootstrap=100)})
    train(texts, renamed, store=store, checkpoint=tmp_path / "c", resume=True)


def test_a_closed_form_needs_no_checkpoint(texts: Corpus, recipe: Recipe, store: FeatureStore, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(recipe.to_yaml())
    closed = Recipe.load(tmp_path / "mine.yaml", ["training.method=logistic_regression", "model.hidden_layers=0"])
    train(texts, closed, store=store, checkpoint=tmp_path / "c", resume=True)
    assert not (tmp_path / "c").exists()


def test_ctrl_c_says_how_to_go_on_and_the_command_line_goes_on(
    texts: Corpus, recipe: Recipe, store: FeatureStore, tmp_path: Path
) -> None:
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"epochs": 80})})
    (tmp_path / "mine.yaml").write_text(recipe.to_yaml())
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "label", "transcription"], *([c.id, c.label, c.transcription] for c in texts)]
        )
    out, checkpoint = tmp_path / "model", tmp_path / "model.checkpoint"
    command = ["train", str(tmp_path / "clips.csv"), "--recipe", str(tmp_path / "mine.yaml"), "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from emovoz.cli import main; main()", *command], stderr=subprocess.PIPE, text=True
    )
    # the first checkpoint comes with the end of the first fit
    while not list(checkpoint.glob("[0-9]*")) and process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    process.send_signal(signal.SIGINT)
    told = process.communicate()[1]
    assert process.returncode == 130
    assert told.splitlines()[-1] == "stopped; the same command with --resume goes on from the last checkpoint"
    assert checkpoint.is_dir()
    assert not out.exists()
    done = emovoz(*command, "--resume")
    assert done.returncode == 0, done.stderr
    assert "going on from the checkpoint" in done.stderr
    assert not checkpoint.exists()
    assert weights(out) == saved_weights(train(texts, recipe, store=store), tmp_path / "whole")


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def saved_weights(recognizer: Recognizer, folder: Path) -> bytes:
    recognizer.save_pretrained(folder)
    return weights(folder)
