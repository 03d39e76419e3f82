"""Prediction through an export: from a cold start, and warm, in float32 and in int8, beside the model through torch."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from ratio import Times, alternated, table
from record import real_audio

from emovoz import ExportedRecognizer, FeatureStore, Recipe, Recognizer, Waveform, export, train
from emovoz.corpus import demo_corpus, load_audio

TITLE = "prediction through an export"
RATE, SECONDS = 16000, 3
COLD_SECONDS, WARM_SECONDS = 3.5, 0.2
WORDS = "No sé qué hacer contigo, de verdad."


def measured() -> str:
    """Export a model twice, then ask all three."""
    demo = demo_corpus()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        recognizer = train(demo.split("train"), Recipe.load("default"), store=FeatureStore(folder / "store"))
        recognizer.save_pretrained(folder / "model")
        exports = {
            "float32": export(recognizer, folder / "float32"),
            "int8": export(recognizer, folder / "int8", quantize=True),
        }
        clip = _clip(folder / "clip.wav")
        return "\n".join([*_cold(folder, clip), "", *_warm(recognizer, exports, clip), "", *_sizes(folder)])


def _cold(folder: Path, clip: Path) -> list[str]:
    rows = [
        (f"{name}{' and words' if more else ''}", alternated(_run(folder / name, clip, *more), torch, rounds=3), None)
        for more in ((), ("--text", WORDS))
        for torch in (_run(folder / "model", clip, *more),)
        for name in ("float32", "int8")
    ]
    slowest = max(times.seconds for _, times, _ in rows)
    return [
        f"Cold start, process start to the JSON line, of a {SECONDS} s clip: `emovoz predict EXPORT CLIP`; baseline:",
        "the same line with the model that was exported (recipe `default`), by torch and transformers. Medians of 3.",
        "",
        table(rows),
        "",
        f"{_verdict(slowest, COLD_SECONDS)} at {slowest:.2f} s; wanted: at most {COLD_SECONDS} s.",
    ]


def _warm(recognizer: Recognizer, exports: dict[str, ExportedRecognizer], clip: Path) -> list[str]:
    samples = Waveform(load_audio(clip), RATE)

    def asked(of: Recognizer | ExportedRecognizer, text: str | None) -> Callable[[], object]:
        return lambda: of.predict(samples, text=text)

    rows: list[tuple[str, Times, float | None]] = [
        (
            f"{name}{' and words' if text else ''}",
            alternated(asked(one, text), asked(recognizer, text), rounds=15),
            None,
        )
        for text in (None, WORDS)
        for name, one in exports.items()
    ]
    slowest = max(times.seconds for _, times, _ in rows)
    return [
        f"Warm, `.predict` of {SECONDS} s of samples in memory; baseline: `Recognizer.predict` of the same in the same",
        "process. Medians of 15.",
        "",
        table(rows),
        "",
        f"{_verdict(slowest, WARM_SECONDS)} at {1000 * slowest:.0f} ms; wanted: at most {1000 * WARM_SECONDS:.0f} ms.",
    ]


def _sizes(folder: Path) -> list[str]:
    sizes = {name: sum(file.stat().st_size for file in (folder / name).iterdir()) / 1e6 for name in ("float32", "int8")}
    return ["Whole exports: " + ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items()) + "."]


def _verdict(seconds: float, wanted: float) -> str:
    return (
        "The slowest is within what is wanted" if seconds <= wanted else "The slowest is **not** within what is wanted"
    )


def _clip(path: Path) -> Path:
    """Three seconds of real speech."""
    recordings = real_audio()
    samples = np.concatenate([load_audio(one) for one in recordings[:4]])[: SECONDS * RATE]
    soundfile.write(path, samples, RATE)
    return path


def _run(model: Path, *arguments: str | Path) -> Callable[[], object]:
    command = [sys.executable, "-c", "from emovoz.program import main; main()", "predict", str(model)]
    return lambda: subprocess.run([*command, *map(str, arguments)], capture_output=True, check=True)
