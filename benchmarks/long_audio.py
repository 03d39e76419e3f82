"""Long recordings: how fast `predict` and `extract` go through an hour, and how much memory they take for it.

Needs the development data beside the project (`../shared/data`): its clips, one after the other, are the recording.
Run: python benchmarks/long_audio.py
Writes what it measured into benchmarks/RESULTS.md, under its own heading.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from record import machine, need_data, real_audio, write_section

HEADING = "## Long recordings"
RATE = 16000
MINUTES = (5, 60)
COMMAND = [sys.executable, "-c", "from emovoz.cli import main; main()"]


def main() -> None:
    """Measure everything, then write it down."""
    need_data()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = folder / "model"
        train(model)
        rows = [row for minutes in MINUTES for row in _rows(folder, model, minutes)]
    lines = [
        machine(),
        "",
        "The clips of spanish-elicited, one after the other, as one wav; recipe `speech` (Whisper base, layers 2-4);",
        "each command a process of its own, its start included; peak memory as the system accounts it.",
        "",
        "| command | recording | seconds | x real time | peak MB |",
        "|---|---|---|---|---|",
        *rows,
    ]
    write_section(HEADING, "\n".join(lines))


def train(model: Path, recipe: str = "speech") -> None:
    """Save a model of a recipe, trained on the demo corpus."""
    # what it has learned plays no part here; in a process of its own, for a child's peak begins at its parent's
    script = (
        "from emovoz import Recipe, train; from emovoz.corpus import demo_corpus; "
        f"train(demo_corpus(), Recipe.load({recipe!r})).save_pretrained({str(model)!r})"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def _rows(folder: Path, model: Path, minutes: int) -> list[str]:
    recording, manifest = folder / f"{minutes}.wav", folder / f"{minutes}.csv"
    write(recording, minutes)
    manifest.write_text(f"id\n{recording.name}\n")
    store = ["--store", str(folder / f"store-{minutes}")]
    commands = {
        "predict": ["predict", str(model), str(recording)],
        "extract": ["extract", str(manifest), "--audio-dir", str(folder), "--recipe", "speech", *store],
    }
    rows = []
    for name, command in commands.items():
        seconds, megabytes = run(command)
        speed = minutes * 60 / seconds
        rows.append(f"| `{name}` | {minutes} min | {seconds:.0f} | {speed:.1f} | {megabytes:.0f} |")
    return rows


def write(path: Path, minutes: int) -> None:
    """A wav of so many minutes, of clips one after the other, of people where the development data is there."""
    wanted = minutes * 60 * RATE
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
        while file.tell() < wanted:
            for clip in real_audio():
                samples, rate = soundfile.read(clip, dtype="float32")
                assert rate == RATE
                file.write(np.asarray(samples)[: max(0, wanted - file.tell())])


def run(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak megabytes of one command."""
    started = time.perf_counter()
    process = os.posix_spawn(sys.executable, [*COMMAND, *arguments], os.environ)
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"emovoz {' '.join(arguments)} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
