"""`predict --timeline`: its speed, its memory, and how often an utterance has the label of its clip.

Needs the development data beside the project (`../shared/data`).
Run: python benchmarks/timeline.py
Writes what it measured into benchmarks/RESULTS.md, under its own heading.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
from record import SPANISH, machine, need_data, write_section

if TYPE_CHECKING:
    from emovoz.inference.segment import Segment

HEADING = "## Timelines"
RATE = 16000
REACHES = (0, 5, 10, 20)
HELD = ("spk10", "spk11", "spk12", "spk13")
"""Whom the model has not heard: the last four of fourteen speakers."""
COMMAND = [sys.executable, "-c", "from emovoz.cli import main; main()"]


@dataclass(frozen=True)
class Spoken:
    """A clip in the recording: where it is, and its label."""

    start: float
    end: float
    label: str


def main() -> None:
    """Measure everything, then write it down."""
    need_data()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _train(folder)
        rows, speeds = [], []
        for order in ("shuffled", "in scenes"):
            said = _write(folder / "recording.wav", order)
            seconds, megabytes, told = _run(folder)
            rows += [_row(order, reach, told, said) for reach in REACHES]
            speeds.append(f"{told['seconds'] / seconds:.1f} x real time and {megabytes:.0f} MB at most ({order})")
    lines = [
        machine(),
        "",
        "The clips of the last four speakers of spanish-elicited, six labels, with pauses of 0.6 to 2 s, as one wav of",
        f"{told['seconds'] / 60:.0f} minutes; recipe `speech` trained on the other ten speakers. `shuffled`: each clip",
        "of any label and speaker; `in scenes`: six clips of one speaker and one label follow each other. An utterance",
        "is right where it has the label of the clip it overlaps most.",
        "",
        f"`emovoz predict model recording.wav --timeline`, its start included: {'; '.join(speeds)}.",
        "",
        "| order | `--smooth` | utterances for clips | right | macro-F1 |",
        "|---|---|---|---|---|",
        *rows,
    ]
    write_section(HEADING, "\n".join(lines))


def _train(folder: Path) -> None:
    # in a process of its own, for a child's peak begins at its parent's
    script = (
        "from emovoz import Corpus, Recipe, train; "
        f"corpus = Corpus.from_manifest({str(SPANISH / 'manifest.csv')!r}, {str(SPANISH / 'audio')!r}); "
        f"clips = [c for c in corpus if c.speaker not in {HELD!r} and c.label != 'surprise']; "
        f"train(Corpus(clips), Recipe.load('speech')).save_pretrained({str(folder / 'model')!r})"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def _write(path: Path, order: str) -> list[Spoken]:
    """Write the recording; where each clip lies in it."""
    random, said = np.random.default_rng(0), []
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
        for clip in _clips(order):
            samples, _ = soundfile.read(SPANISH / "audio" / clip["id"], dtype="float32")
            said.append(Spoken(file.tell() / RATE, (file.tell() + len(samples)) / RATE, clip["label"]))
            file.write(samples)
            file.write(1e-4 * random.standard_normal(int(RATE * random.uniform(0.6, 2))))
    return said


def _clips(order: str) -> list[dict[str, str]]:
    with (SPANISH / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker"] in HELD and row["label"] != "surprise"]
    random = np.random.default_rng(0)
    shuffled = [rows[i] for i in random.permutation(len(rows))]
    if order == "shuffled":
        return shuffled
    scenes: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in shuffled:
        scenes.setdefault((row["speaker"], row["label"]), []).append(row)
    halves = [scene[at : at + 6] for scene in scenes.values() for at in (0, 6)]
    return [row for i in random.permutation(len(halves)) for row in halves[i]]


def _run(folder: Path) -> tuple[float, float, dict[str, Any]]:
    """Seconds, peak megabytes, and what one command printed."""
    arguments = ["predict", str(folder / "model"), str(folder / "recording.wav"), "--timeline"]
    printed = folder / "printed.json"
    to_file = [(os.POSIX_SPAWN_OPEN, 1, str(printed), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    started = time.perf_counter()
    process = os.posix_spawn(sys.executable, [*COMMAND, *arguments], os.environ, file_actions=to_file)
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"emovoz {' '.join(arguments)} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024, json.loads(printed.read_text())


def _row(order: str, reach: float, told: dict[str, Any], said: Sequence[Spoken]) -> str:
    from sklearn.metrics import accuracy_score, f1_score

    from emovoz.inference.segment import Segment
    from emovoz.inference.smoothing import smoothed

    segments = [Segment(one["start"], one["end"], one["label"], one["scores"]) for one in told["segments"]]
    if reach:
        # what --smooth does, without judging everything again
        segments = list(smoothed(segments, reach, lambda scores: max(scores, key=lambda label: scores[label])))
    true = [max(said, key=lambda one: _overlap(one, segment)).label for segment in segments]
    found = [segment.label for segment in segments]
    right, score = accuracy_score(true, found), f1_score(true, found, average="macro")
    smooth = f"{reach:g} s" if reach else "none"
    return f"| {order} | {smooth} | {len(segments)} for {len(said)} | {right:.3f} | {score:.3f} |"


def _overlap(one: Spoken, segment: "Segment") -> float:
    return min(one.end, segment.end) - max(one.start, segment.start)


if __name__ == "__main__":
    main()
