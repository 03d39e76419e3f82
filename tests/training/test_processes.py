"""Several processes give the model that one gives: whatever is random, however the batches divide."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from emovoz import Corpus
from faults_tried import SOAK
from helpers import write_manifest
from together import carry_out

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# its way without GPUs goes by MPI; this one starts processes as torchrun does, and none of them asks for a GPU
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]

RELATED = ["model.standardise=false", "model.layer_mix=weighted", "model.layer_norm=true", "model.pooling=attention"]
TRANSFORMER = [*RELATED, "model.sequence=transformer", "model.sequence_dropout=0.2", "model.fusion=time"]
VARIED = ["augmentation.crop_seconds=0.5", "augmentation.mixup=0.4", "augmentation.spec_augment={}"]
BEST = ["training.keep=best", "training.validate_every=3", "training.patience=9", "training.schedule=plateau"]
WEIGHTED = ["training.class_weights=inverse", "training.loss=focal", "training.label_smoothing=0.1"]
BALANCED = ["training.sampling=balanced", "training.accumulation=2", "training.optimiser=rmsprop"]
LORA = ["speech.lora={last: 1}", "text.lora={last: 1}"]

TOLERANCE = 3e-4
"""Of weights that learn at 1e-2: sums are added up in another order, which rmsprop makes most of."""

# of 37 clips: 8 a batch leave 5 for the last, 9 a batch leave a single one
EVERY: dict[str, tuple[list[str], int]] = {
    "dropout, a single clip left": (["training.batch_size=9", "training.gradient_clip=0.1"], 0),
    "sequences, varied, best": (["training.batch_size=8", *TRANSFORMER, *VARIED, *BEST], 0),
    "weighted and accumulated": (["training.batch_size=5", *RELATED, *WEIGHTED, *BALANCED], 0),
    "adapters": (["training.batch_size=8", *LORA], 0),
    "resumed": (["training.batch_size=8", *TRANSFORMER, *BEST], 2),
}
LONG = {"dropout, a single clip left", "adapters"}
PLANS = {name: plan for name, plan in EVERY.items() if SOAK or name not in LONG}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, demo: Corpus) -> Path:
    """37 clips to learn from, some of them without words, and 12 of another voice as dev."""
    chosen = [*demo.split("train").clips[::3][:37], *demo.split("dev").clips[::2]]
    rows = [
        {
            "id": clip.id,
            "audio": str(clip.audio),
            "label": str(clip.label),
            "speaker": str(clip.speaker),
            "split": str(clip.split),
            "transcription": "" if i % 5 == 0 else str(clip.transcription),
        }
        for i, clip in enumerate(chosen)
    ]
    return write_manifest(tmp_path_factory.mktemp("processes") / "clips.csv", rows)


@pytest.fixture(scope="module")
def trained(manifest: Path, tiny_whisper: Path, tiny_bert: Path) -> Path:
    """The folders `one` and `two`: what one process, and two together, have made of every plan."""
    tiny = [f"speech.model={tiny_whisper}", f"text.model={tiny_bert}", "speech.layers=all", "text.layers=all"]
    folder = manifest.parent
    plans = {
        name: {
            "manifest": str(manifest),
            "recipe": "default-gradient",
            "settings": [*tiny, "training.epochs=3", "training.learning_rate=0.01", *settings],
            "store": str(folder / "store"),
            "stop": stop,
        }
        for name, (settings, stop) in PLANS.items()
    }
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    script = str(Path(__file__).resolve().parents[1] / "together.py")
    done = run([*ACCELERATE, script, str(folder / "plans.json"), str(folder / "two")])
    assert done.returncode == 0, done.stderr
    for name, plan in plans.items():
        carry_out(plan, folder / "one" / name)
    return folder


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "EMOVOZ_DEVICE": "cpu"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_two_processes_give_the_model_of_one(trained: Path, name: str) -> None:
    one = trained / "one" / f"{name}-0"
    weights = load_file(one / "head.safetensors")
    history, temperature, resumed = json.loads((one / "told.json").read_text())
    assert resumed == (name == "resumed")
    for other in (trained / "two" / f"{name}-0", trained / "two" / f"{name}-1"):
        shared = load_file(other / "head.safetensors")
        assert shared.keys() == weights.keys()
        # the biases of an attention's keys change nothing, so that their gradients are nothing but rounding
        gaps = {of: float((shared[of] - values).abs().max()) for of, values in weights.items() if "key.bias" not in of}
        assert max(gaps.values()) < TOLERANCE, gaps
        told, shared_temperature, _ = json.loads((other / "told.json").read_text())
        assert [entry["dev_macro_f1"] for entry in told] == [entry["dev_macro_f1"] for entry in history]
        assert [entry["loss"] for entry in told] == pytest.approx([entry["loss"] for entry in history], rel=1e-4)
        assert shared_temperature == pytest.approx(temperature, rel=1e-3)


@pytest.mark.slow
def test_the_command_trains_one_model_and_speaks_once(manifest: Path, tiny_bert: Path, tmp_path: Path) -> None:
    recipe = ["--recipe", "text-gradient", "--set", f"text.model={tiny_bert}", "--set", "text.layers=all"]
    command = ["train", str(manifest), *recipe, "--json", "--out", str(tmp_path / "model")]
    done = run([*TORCHRUN, "-m", "emovoz", *command])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["clips"] == 49
    assert done.stderr.count("training: 100 %") == 2, "one line each of the fit that is measured and of the one kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


@pytest.mark.slow
def test_what_the_first_process_finds_ends_all_with_one_sentence(
    demo: Corpus, tmp_path: Path, tiny_whisper: Path
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    rows = [{"id": clip.id, "audio": str(clip.audio), "label": str(clip.label)} for clip in demo.clips[:3]]
    rows.append({"id": "broken", "audio": str(tmp_path / "broken.wav"), "label": "joy"})
    write_manifest(tmp_path / "clips.csv", rows)
    command = ["train", str(tmp_path / "clips.csv"), "--audio-dir", "/", "--recipe", "speech-gradient"]
    settings = [
        "--set",
        f"speech.model={tiny_whisper}",
        "--set",
        "speech.layers=all",
        "--set",
        "training.dev_fraction=0",
    ]
    done = run([*TORCHRUN, "-m", "emovoz", *command, *settings, "--out", str(tmp_path / "model")])
    # the launcher's own report tells the codes of its processes
    assert "exitcode  : 2" in done.stderr
    assert done.stdout == ""
    assert len([line for line in done.stderr.splitlines() if "broken" in line]) == 1, done.stderr
    assert not (tmp_path / "model").exists()
