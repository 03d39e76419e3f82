"""Manifests and audio that several tests write."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz import Corpus
from emovoz.errors import InputError

WHOLE = ["id", "transcription", "label"]


def write(folder: Path, rows: Sequence[Sequence[str]], name: str = "manifest.csv") -> Path:
    """A manifest as a spreadsheet saves it."""
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def write_text(folder: Path, text: str) -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(text.encode())
    return path


def write_tone(path: Path) -> None:
    """A tenth of a second of sound, a wav whatever its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(1600)), 16000, format="WAV")


def faults_of(path: Path, audio_dir: Path | None = None, *, labels: bool = True) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        Corpus.from_manifest(path, audio_dir, labels=labels)
    return caught.value.faults
