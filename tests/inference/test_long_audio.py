"""Recordings of any length: predicted and extracted in memory that does not grow with them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz import Clip, Corpus, Recipe, Recognizer, Waveform, evaluate, train
from emovoz.features import FeatureStore
from helpers import emovoz, json_lines

RATE = 16000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, demo: Corpus, tiny_whisper: Path) -> Path:
    """A recogniser on the tiny Whisper, saved."""
    settings = [f"speech.model={tiny_whisper}", "speech.layers=all", "training.epochs=2"]
    store = FeatureStore(tmp_path_factory.mktemp("store"))
    recognizer = train(
        demo.split("train"), Recipe.load("speech-gradient", settings), dev=demo.split("dev"), store=store
    )
    folder = tmp_path_factory.mktemp("long") / "model"
    recognizer.save_pretrained(folder)
    return folder


def recording(path: Path, minutes: float) -> Path:
    """Noise that swells and fades, written block by block."""
    random = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", 2 * RATE, 2, subtype="PCM_16") as file:
        for second in range(int(minutes * 60)):
            file.write(random.normal(0, 0.1 + 0.05 * np.sin(second / 7), (2 * RATE, 2)))
    return path


def peak_megabytes(script: str) -> float:
    """The most memory that a Python process running this script ever held."""
    # what getrusage tells would count the memory of whoever has started it
    measured = "print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024)"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\n{measured}"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


def test_a_long_recording_has_the_scores_of_its_features_at_once(model: Path, tmp_path: Path) -> None:
    path = recording(tmp_path / "long.wav", 4)
    recognizer = Recognizer.from_pretrained(model)
    (from_file,) = recognizer.predict(path)
    samples, rate = soundfile.read(path, dtype="float32")
    (from_memory,) = recognizer.predict(Clip("long", Waveform(samples, rate)))
    assert from_file.seconds == 240
    assert list(from_file.scores.values()) == pytest.approx(list(from_memory.scores.values()), abs=1e-4)


def test_memory_does_not_grow_with_the_recording(model: Path, tiny_whisper: Path, tmp_path: Path) -> None:
    peaks: dict[str, list[float]] = {"predict": [], "extract": []}
    encoders = f"FrozenEncoders.of(Recipe.checked({ {'speech': {'model': str(tiny_whisper)}}!r}))"
    names = "from emovoz import Corpus, FeatureStore, Recipe, Recognizer, extract"
    start = f"{names}; from emovoz.features import FrozenEncoders; "
    for minutes in (3, 15):
        path, manifest = recording(tmp_path / f"{minutes}.wav", minutes), tmp_path / f"{minutes}.csv"
        manifest.write_text(f"id\n{path.name}\n")
        predict = f"print(Recognizer.from_pretrained({str(model)!r}).predict({str(path)!r}))"
        corpus = f"Corpus.from_manifest({str(manifest)!r}, labels=False)"
        extract_it = f"extract({corpus}, {encoders}, FeatureStore({str(tmp_path / 'store')!r}))"
        peaks["predict"].append(peak_megabytes(start + predict))
        peaks["extract"].append(peak_megabytes(start + extract_it))
    # 12 minutes more are 92 MB of samples at 32 kHz in two channels, and 10 MB of features
    for verb, (short, long) in peaks.items():
        assert long - short < 45, f"{verb}: {short:.0f} MB for 3 minutes, {long:.0f} MB for 15"


def test_the_command_line_says_how_long_it_was_and_names_one_that_is_cut(model: Path, tmp_path: Path) -> None:
    good, cut = recording(tmp_path / "a.wav", 3), recording(tmp_path / "b.wav", 3)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    done = emovoz("predict", str(model), str(tmp_path))
    assert done.returncode == 2, done.stderr
    first, second = json_lines(done.stdout)
    assert (first["id"], first["seconds"]) == (good.name, 180)
    assert sum(first["scores"].values()) == pytest.approx(1)
    assert "truncated" in second["error"]


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["features.stride=3", "features.precision=float32"],
        ["features.cache=false"],
        ["model.pooling=attention", "model.standardise=false", "model.layer_mix=weighted", "features.cache=false"],
        ["model.sequence=transformer", "model.pooling=max", "model.standardise=false", "model.layer_mix=weighted"],
    ],
    ids=" ".join,
)
def test_evaluation_says_what_prediction_says_however_features_are_kept(
    settings: list[str], demo: Corpus, tiny_whisper: Path, tmp_path: Path
) -> None:
    tiny = [f"speech.model={tiny_whisper}", "speech.layers=all", "training.epochs=1", "training.dev_fraction=0"]
    store = FeatureStore(tmp_path / "store")
    train_on = Corpus(demo.split("train").clips[::4])
    recognizer = train(train_on, Recipe.load("speech-gradient", [*tiny, *settings]), store=store)
    long = Clip("long", recording(tmp_path / "long.wav", 3), label="joy")
    clips = Corpus([long, *demo.split("test").clips[:4]])
    rows = evaluate(recognizer, clips, store=store).predictions
    for row, prediction in zip(rows, recognizer.predict(clips), strict=True):
        assert prediction.error is None
        for label, score in prediction.scores.items():
            assert row[f"score_{label}"] == pytest.approx(score, abs=1e-4), row["id"]
