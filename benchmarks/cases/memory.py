"""How much memory training takes, over stores of three sizes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from synthetic import fill_store

from emovoz import Recipe

TITLE = "memory of training over a large store"
ALLOWED = 800_000_000
SIZES = (1, 20)
CGROUPS = Path("/sys/fs/cgroup/memory")
RECIPE = "speech-gradient"
SETTINGS = [
    "speech.layers=all",
    "model.layer_mix=weighted",
    "model.pooling=attention",
    "model.standardise=false",
    "training.epochs=1",
    "training.batch_size=16",
    "training.keep=last",
    "training.thresholds=false",
    "augmentation={}",
]
BYTES_A_CLIP = 7 * 275 * 512 * 2

TRAIN = (
    "import sys; from emovoz import Recipe; from emovoz.training import fit, new_head;"
    "from synthetic import LABELS, examples_in;"
    "recipe = Recipe.load('speech-gradient', overrides=sys.argv[3:]);"
    "examples, encoders = examples_in(sys.argv[1], recipe, int(sys.argv[2]));"
    "fit(new_head(recipe, encoders, tuple(LABELS)), examples, None, recipe.training, augmentation=recipe.augmentation);"
    "status = open('/proc/self/status').read();"
    "print(status.split('VmHWM:')[1].split()[0])"
)


def measured() -> str:
    """Both peaks for each size."""
    rows = []
    for times in SIZES:
        clips = times * ALLOWED // BYTES_A_CLIP
        with TemporaryDirectory() as folder:
            fill_store(Recipe.load(RECIPE, overrides=SETTINGS), clips, folder)
            whole, own = _peaks(folder, clips)
        rows.append(f"| {times}x | {clips * BYTES_A_CLIP / 1e9:.1f} | {clips} | {whole:.0f} | {own:.0f} |")
    return "\n".join(
        [
            "One epoch of attention pooling over Whisper base, all layers and frames, in a process of its own, torch,",
            "the encoder and the checksum of every shard included. Peak of all resident memory (VmHWM, mapped files",
            "too), and of what is the process's own (RssAnon, sampled every 20 ms).",
            _limit_told(),
            "",
            "| store | GB | clips | peak resident, MB | of it its own, MB |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _peaks(folder: str, clips: int) -> tuple[float, float]:
    with _limited() as limited:
        return _peaks_of([*limited, sys.executable, "-c", TRAIN, folder, str(clips), *SETTINGS])


def _peaks_of(command: list[str]) -> tuple[float, float]:
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True)
    own = 0
    while child.poll() is None:
        own = max(own, _own(child.pid))
        time.sleep(0.02)
    out, _ = child.communicate()
    if child.returncode:
        raise RuntimeError("training failed")
    return int(out) / 1e3, own / 1e3


def _limit_told() -> str:
    with _limited() as limited:
        allowed = f"{ALLOWED / 1e9:.1f} GB"
        if limited:
            return f"The system allows the process {allowed}, the files it has read included, and would kill it beyond."
        return f"No limit could be set here; {allowed} is what the process is meant to hold."


@contextmanager
def _limited() -> Iterator[list[str]]:
    """What a command begins with so that the system allows it no more memory; nothing where that cannot be set."""
    group = CGROUPS / f"emovoz-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(ALLOWED))
    except OSError:
        with suppress(OSError):
            group.rmdir()
        yield []
        return
    try:
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"]
    finally:
        group.rmdir()


def _own(process: int) -> int:
    """kB of its own memory now, 0 where it has just ended."""
    _, _, after = Path(f"/proc/{process}/status").read_text().partition("RssAnon:")
    return int(after.split()[0]) if after else 0
