"""The six published runs, each for two epochs with tiny stand-ins for their encoders, by the command line."""

from pathlib import Path

import pytest

from emovoz import Corpus, Recipe, Recognizer
from helpers import emovoz, json_lines, write_manifest
from tiny_encoders import speech_checkpoint

RUNS = [f"bsc-upc-{run}" for run in range(6)]


@pytest.fixture(scope="module")
def manifests(demo: Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A few clips of every emotion to learn from, and some of another voice to choose the best state by."""
    folder = tmp_path_factory.mktemp("published")
    train = [clip for clip in demo.split("train") if clip.id.endswith("_1.ogg")][:12]
    dev = [clip for clip in demo.split("dev") if clip.id.endswith("_1.ogg")]
    rows = [
        [
            {"id": str(clip.audio), "label": clip.label or "", "transcription": clip.transcription or ""}
            for clip in clips
        ]
        for clips in (train, dev)
    ]
    return write_manifest(folder / "train.csv", rows[0]), write_manifest(folder / "dev.csv", rows[1])


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wav2vec 2.0 of the kind of XLS-R, tiny and of random weights."""
    directory = tmp_path_factory.mktemp("tiny-xls-r")
    speech_checkpoint("XLS-R", directory)
    return directory


@pytest.mark.parametrize("name", RUNS)
def test_a_published_run_trains_and_predicts(
    name: str, manifests: tuple[Path, Path], stand_in: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    train, dev = manifests
    settings = ["--set", f"speech.model={stand_in}", "--set", "training.epochs=2"]
    if name != "bsc-upc-0":
        settings += ["--set", f"text.model={tiny_bert}"]
    model = tmp_path / "model"
    folder = ["--audio-dir", "/"]
    done = emovoz(
        "train", str(train), "--dev", str(dev), *folder, "--recipe", name, *settings,
        "--out", str(model), "--store", str(tmp_path / "store"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    recognizer = Recognizer.from_pretrained(model)
    assert recognizer.history[-1]["epoch"] == 2
    assert recognizer.history[-1]["dev_macro_f1"] is not None
    predicted = emovoz("predict", str(model), str(dev), *folder)
    assert predicted.returncode == 0, predicted.stderr
    lines = json_lines(predicted.stdout)
    assert len(lines) == 6
    assert all(line["modalities"] == (["speech"] if name == "bsc-upc-0" else ["speech", "text"]) for line in lines)


@pytest.mark.parametrize("name", RUNS)
def test_the_settings_of_a_published_run_are_those_of_its_table(name: str) -> None:
    crop, chance, batch, epochs, layers, dropout, every = {
        "bsc-upc-0": (9, None, 16, 200, 4, 0.1, 1250),
        "bsc-upc-1": (5.5, 0.5, 16, 200, 4, 0.1, 50),
        "bsc-upc-2": (9, None, 1, 50, 4, 0.3, 1200),
        "bsc-upc-3": (5.5, 0.6, 16, 93, 2, 0.1, 75),
        "bsc-upc-4": (9, 0.3, 1, 50, 6, 0.3, 1200),
        "bsc-upc-5": (5.5, 0.3, 16, 100, 1, 0.1, 75),
    }[name]
    recipe = Recipe.load(name)
    augmentation, model, training = recipe.augmentation, recipe.model, recipe.training
    assert (augmentation.crop_seconds, augmentation.padding) == (crop, "repeat")
    assert (augmentation.probability if augmentation.views else None) == chance
    assert (training.batch_size, training.epochs, training.validate_every) == (batch, epochs, every)
    # the first layer counts here, and not in the published table
    assert (model.hidden_layers, model.hidden_width, model.dropout) == (layers + 1, 512, dropout)
    assert (training.learning_rate, training.weight_decay, training.patience) == (5e-5, 0.01, 0)
    assert (training.schedule, training.plateau_factor, training.plateau_patience) == ("plateau", 0.9, 10)
    assert (training.class_weights, model.pooling) == ("inverse", "attention")
