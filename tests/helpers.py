"""What several tests call."""

import atexit
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from emovoz import InputError, Recipe
from emovoz.training.checkpoints import SECONDS
from warm import Warm, warm_command

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real data beside the project; tests that need it skip where it is absent."""


def emovoz(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, forked from a process that has imported everything, which saves 3 s.

    A run for which variables have been changed that libraries look at as they are imported starts from nothing.
    """
    if _seen_by_imports() != _SEEN_AT_FIRST:
        return emovoz_from_nothing(*arguments, stdin=stdin)
    warm = _warm()
    given = warm.scratch / "in.txt"
    given.write_text(stdin or "", encoding="utf-8")
    done = warm.run(*arguments, stdin=str(given), folder=str(Path.cwd()), environment=dict(os.environ))
    return subprocess.CompletedProcess(arguments, done.code, done.out, done.err)


def emovoz_from_nothing(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-c", "from emovoz.cli import main; main()", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=400, check=False)


@cache
def _warm() -> Warm:
    scratch = tempfile.TemporaryDirectory(prefix="emovoz-warm-")
    warm = Warm(Path(scratch.name) / "scratch", SECONDS)
    # last in, first out: the process ends before its folder goes
    atexit.register(scratch.cleanup)
    atexit.register(warm.close)
    return warm


def _seen_by_imports() -> dict[str, str]:
    looked_at = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "OMP_", "PYTHON", "TMPDIR")
    return {name: value for name, value in os.environ.items() if name.startswith(looked_at)}


_SEEN_AT_FIRST = _seen_by_imports()


@contextmanager
def commands_in(folder: Path, **settings: str) -> Iterator[dict[str, str]]:
    """The environment for examples that are run in a folder: `emovoz` on the path, and the `python` that has it.

    Args:
        folder: a new folder `bin` is made in it.
        settings: variables that are set.
    """
    commands = folder / "bin"
    commands.mkdir()
    (commands / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (commands / "python").chmod(0o755)
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", **settings}
    with warm_command(commands / "emovoz", environment):
        yield environment


def change_json(file: Path, **changed: Any) -> None:
    """Change values of an object in a file; `none` takes one out."""
    values = {**json.loads(file.read_text()), **changed}
    file.write_text(json.dumps({name: value for name, value in values.items() if value != "none"}))


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
