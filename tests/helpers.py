"""What several tests call."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from emovoz import InputError, Recipe

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real data beside the project; tests that need it skip where it is absent."""


def emovoz(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would."""
    command = [sys.executable, "-c", "from emovoz.cli import main; main()", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=400, check=False)


def commands_in(folder: Path) -> Path:
    """A new folder there for the path of examples: `emovoz`, and the `python` that has it."""
    commands = folder / "bin"
    commands.mkdir()
    for name, beginning in {"emovoz": '-c "from emovoz.cli import main; main()"', "python": ""}.items():
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {beginning} "$@"\n')
        (commands / name).chmod(0o755)
    return commands


def json_lines(text: str) -> list[dict[str, Any]]:
    """JSON objects, one a line."""
    return [json.loads(line) for line in text.splitlines()]


def write_manifest(path: Path, rows: list[dict[str, str]]) -> Path:
    """A CSV with the columns of the first row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def relative_gap(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference of any layer [layer, time, dim], in shares of that layer's largest magnitude."""
    return float(((one - other).abs().amax((1, 2)) / other.abs().amax((1, 2))).max())


def faults_of(source: str | Path, *overrides: str) -> tuple[str, ...]:
    """What is wrong with a recipe."""
    with pytest.raises(InputError) as caught:
        Recipe.load(source, overrides)
    return caught.value.faults
