"""The main job on real data: its scores, and how long it takes from an empty and from a full store.

Needs the development data beside the project (`../shared/data`). Run: python benchmarks/main_job.py
Writes what it measured into benchmarks/RESULTS.md, under its own heading.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import EMOSPEECH, SPANISH, machine, need_data, score, write_section

HEADING = "## The main job"


def main() -> None:
    """Measure everything, then write it down."""
    need_data()
    with tempfile.TemporaryDirectory() as scratch:
        text = "\n".join([machine(), "", *_elicited(Path(scratch)), "", *_emospeech(Path(scratch))])
    write_section(HEADING, text)


def _elicited(scratch: Path) -> list[str]:
    store, out = scratch / "store", scratch / "crossval"
    command = ["crossval", str(SPANISH / "manifest.csv"), "--audio-dir", str(SPANISH / "audio")]
    command += ["--exclude-label", "surprise", "--group", "speaker", "--folds", "7", "--store", str(store)]
    empty = _run([*command, "--recipe", "speech"])
    full = _run([*command, "--recipe", "speech"])
    _run([*command, "--recipe", "speech", "--recipe", "default", "--recipe", "baseline-logreg", "--out", str(out)])
    runs = json.loads((out / "results.json").read_text())["runs"]
    rows = [
        f"| `{name}` | {score(run, 'macro_f1')} | {score(run, 'uar')} | {_seeds(run)} |" for name, run in runs.items()
    ]
    return [
        "`emovoz crossval` on spanish-elicited: 14 speakers, six classes, 7 speaker-grouped folds, 3 seeds,",
        f"{next(iter(runs.values()))['n']} clips; intervals: bootstrap over clips.",
        "",
        "| recipe | macro-F1 [95 %] | UAR [95 %] | macro-F1 by seed |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Whole command with `--recipe speech`: {empty:.0f} s from an empty store, {full:.0f} s from a full one.",
    ]


def _emospeech(scratch: Path) -> list[str]:
    store, model, out = scratch / "store", scratch / "model", scratch / "evaluation"
    keep = ["--store", str(store)]
    train = ["train", str(EMOSPEECH / "train.csv"), "--recipe", "text"]
    seconds = _run([*train, "--out", str(model), *keep])
    _run(["evaluate", str(model), str(EMOSPEECH / "dev.csv"), "--out", str(out), *keep])
    submission = scratch / "s.csv"
    _run(["evaluate", str(model), str(EMOSPEECH / "test.csv"), "--submission", str(submission), *keep])
    results = json.loads((out / "results.json").read_text())
    return [
        "`emovoz train train.csv --recipe text`, then `evaluate`, on EmoSPeech 2024 Task 1 (text only):",
        f"dev macro-F1 {score(results, 'macro_f1')}, accuracy {score(results, 'accuracy')}"
        f" ({results['n']} clips, 4 of them fear; dev chose nothing).",
        f"Training from an empty store took {seconds:.0f} s."
        f" The submission for test.csv has {len(submission.read_text().splitlines()) - 1} rows.",
    ]


def _run(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "from emovoz.cli import main; main()", *arguments], check=True)
    return time.perf_counter() - started


def _seeds(run: dict[str, Any]) -> str:
    return ", ".join(f"{seed['macro_f1']:.3f}" for seed in run["seeds"])


if __name__ == "__main__":
    main()
