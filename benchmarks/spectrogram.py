"""Convolutions on a spectrogram, trained from nothing: how far they come on real speech, and what it takes.

Needs the development data beside the project (`../shared/data`). Run: python benchmarks/spectrogram.py
Name a front-end (vgg, resnet34) to measure only that one. Writes what it measured into benchmarks/RESULTS.md, a heading
a front-end.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from record import SPANISH, machine, need_data, score, write_section

COMMAND = [sys.executable, "-c", "from emovoz.cli import main; main()"]
FOLDS = {"vgg": 7, "resnet34": 2}
# a ResNet costs a CPU some hundred times as much, so it gets shorter crops, fewer epochs and fewer folds
SETTINGS = {
    "vgg": [],
    "resnet34": [
        "model.front_end=resnet34", "features.stride=8", "augmentation.crop_seconds=1", "training.epochs=4"
    ],
}  # fmt: skip
REMARKS = {
    "vgg": "Settings were chosen on speakers spk00-spk06, who are among those scored.",
    "resnet34": "Nothing was chosen for it. With so few epochs it shows that it learns, no more.",
}


def main() -> None:
    """Measure the front-ends named, or all."""
    need_data()
    for name in sys.argv[1:] or FOLDS:
        write_section(f"## A spectrogram and convolutions: {name}", "\n".join(_measured(name)))


def _measured(name: str) -> list[str]:
    settings = [word for setting in SETTINGS[name] for word in ("--set", setting)]
    shown = ["--recipe", "spectrogram", "--exclude-label", "surprise", "--group", "speaker"]
    shown += ["--folds", str(FOLDS[name]), "--seeds", "1"]
    with tempfile.TemporaryDirectory() as scratch:
        files = [str(SPANISH / "manifest.csv"), "--audio-dir", str(SPANISH / "audio"), "--store", f"{scratch}/store"]
        seconds, processor = _run(["crossval", *files, *shown, *settings, "--out", f"{scratch}/out"])
        results = json.loads((Path(scratch) / "out" / "results.json").read_text())
    return [
        machine(),
        "",
        "On spanish-elicited, 14 speakers, six classes (chance 0.167), from an empty store:",
        "",
        f"    emovoz crossval manifest.csv {' '.join(shown)}",
        *([f"        {' '.join(settings)}"] if settings else []),
        "",
        f"Macro-F1 {score(results, 'macro_f1')}, UAR {score(results, 'uar')}",
        f"({results['n']} clips; bootstrap over clips). {REMARKS[name]}",
        f"The whole command took {processor:.0f} s of one processor; {seconds:.0f} s went by, other work beside it.",
    ]


def _run(arguments: list[str]) -> tuple[float, float]:
    """Seconds that went by, and seconds of the processor, of one command."""
    started = time.perf_counter()
    # threads that wait for each other lose more than they gain where the machine has other work
    process = os.posix_spawn(sys.executable, [*COMMAND, *arguments], {**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"emovoz {' '.join(arguments)} failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
