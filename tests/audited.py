"""Corpora to be audited, one of them with almost everything wrong, and what an audit finds."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emovoz.auditing import Audit, Finding, audit
from sounds import cut, noise, write


def manifest(folder: Path, rows: Sequence[Mapping[str, str] | str], name: str = "m.csv") -> Path:
    """A CSV of rows, each by column or as it stands; their columns are all that occur."""
    columns = list(dict.fromkeys(name for row in rows if not isinstance(row, str) for name in row))
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            if isinstance(row, str):
                file.write(f"{row}\n")
            else:
                writer.writerow(row)
    return path


def voice(seed: int, seconds: float = 1.0, level: float = 0.1, rate: int = 16000) -> np.ndarray:
    """Sound that no other seed gives."""
    return level * np.random.default_rng(seed).standard_normal(round(rate * seconds))


def texts(*transcriptions: str, **more: str) -> list[dict[str, str]]:
    """Rows without audio."""
    return [{"id": f"t{i}", "transcription": text, **more} for i, text in enumerate(transcriptions)]


def found(done: Audit, kind: str) -> Finding:
    """The finding of a kind; there must be one."""
    of_kind = [finding for finding in done.findings if finding.kind == kind]
    assert len(of_kind) == 1, [finding.kind for finding in done.findings]
    return of_kind[0]


def kinds(done: Audit) -> set[str]:
    return {finding.kind for finding in done.findings}


def ids(finding: Finding) -> list[list[str]]:
    """The ids of each example."""
    return [[name for _, name in example.clips] for example in finding.examples]


def broken_corpus(folder: Path) -> Audit:
    """Eleven rows with a fault each, and four without."""
    audio = folder / "audio"
    audio.mkdir()
    for i in range(4):
        write(audio / f"good{i}.wav", voice(i))
    write(audio / "copy.wav", voice(0))
    write(audio / "loud.wav", np.clip(20 * voice(4), -1, 1))
    write(audio / "pause.wav", np.concatenate([voice(5, 0.5), np.zeros(16000)]))
    write(audio / "silent.wav", np.zeros(16000))
    write(audio / "blip.wav", voice(6, 0.01))
    cut(write(audio / "cut.wav", noise(2)), 0.5)
    (audio / "notes.wav").write_text("not a recording")
    good = [
        {"id": f"good{i}.wav", "label": "joy", "transcription": f"frase número {i}", "start": "", "end": ""}
        for i in range(4)
    ]
    rows: list[Mapping[str, str] | str] = [
        *good,
        {"id": "copy.wav", "label": "fear", "transcription": "otra cosa"},
        {"id": "loud.wav", "label": "joy", "transcription": ""},
        {"id": "pause.wav", "label": "joy", "transcription": "no"},
        *({"id": f"{name}.wav", "label": "joy", "transcription": "la"} for name in ("silent", "blip", "cut", "notes")),
        {"id": "gone.wav", "label": "joy", "transcription": "no está"},
        {"id": "good1.wav", "label": "joy", "transcription": "frase número 1"},
        {"id": "good2.wav", "label": "joy", "transcription": "x", "start": "4", "end": "2"},
        ",,,,",
        "one,field,too,many,here,now",
    ]
    return audit(manifest(folder, rows), audio)
