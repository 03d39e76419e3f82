"""What views and tuned layers cost in processor time, beside encoding and training without them.

Needs the development data beside the project (`../shared/data`) and the extras `augment` and `lora`.
Run: python benchmarks/costs.py
Writes what it measured into benchmarks/RESULTS.md, under its own heading.
"""

import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from record import SPANISH, machine, need_data, write_section

from emovoz import Corpus, FeatureStore, Recipe, extract, train
from emovoz.corpus import load_audio
from emovoz.features import FrozenEncoders, views_of
from emovoz.features.surroundings import ROOMS, _simulated
from emovoz.settings import Augmentation

HEADING = "## What views and tuned layers cost"
CLIPS, LEARN = 160, 100


def main() -> None:
    """Measure, then write it down."""
    need_data()
    torch.set_num_threads(1)
    corpus = Corpus(Corpus.from_manifest(SPANISH / "manifest.csv", SPANISH / "audio").clips[::7][:CLIPS])
    learn, judge = Corpus(corpus.clips[:LEARN]), Corpus(corpus.clips[LEARN:])
    waves = [load_audio(clip.audio, 16000) for clip in learn if clip.audio]
    effects: dict[str, Any] = {name: {"probability": 1.0} for name in ("speed", "tempo", "noise", "gain")}
    (view,) = views_of(Augmentation.model_validate({"views": 1, **effects}))
    # what is imported and read once is no part of it
    view.of(waves[0], 16000, "first")
    _simulated(0, 16000)
    with tempfile.TemporaryDirectory() as scratch:
        store = FeatureStore(scratch)
        speech = Recipe.load("speech")
        encoders = FrozenEncoders.of(speech)
        encoding = _seconds(lambda: extract(learn, encoders, store))
        altering = _seconds(lambda: [view.of(wave, 16000, str(i)) for i, wave in enumerate(waves)])
        rooms = _seconds(lambda: [_simulated(number, 16000) for number in range(1, ROOMS)])
        tuned = ["speech.lora={last: 2}"]
        epochs = {name: _epoch(learn, judge, store, settings) for name, settings in (("frozen", []), ("tuned", tuned))}
    seconds = sum(len(wave) for wave in waves) / 16000
    lines = [
        machine(),
        "",
        f"{LEARN} clips of spanish-elicited, of {seconds / LEARN:.1f} s; Whisper base, recipe `speech`; processor s.",
        "",
        "| what | s |",
        "|---|---|",
        f"| encode the clips | {encoding:.1f} |",
        f"| speed, tempo, noise and gain on all of them | {altering:.1f} |",
        f"| {ROOMS} simulated rooms | {rooms * ROOMS / (ROOMS - 1):.1f} |",
        f"| an epoch with attention pooling, {CLIPS - LEARN} more clips to judge by | {epochs['frozen']:.1f} |",
        f"| the same with `speech.lora={{last: 2}}` | {epochs['tuned']:.1f} |",
    ]
    write_section(HEADING, "\n".join(lines))


def _epoch(learn: Corpus, judge: Corpus, store: FeatureStore, settings: list[str]) -> float:
    """Seconds of the second and third epochs, their mean; what is stored before is no part of it."""

    def run(epochs: int) -> float:
        shown = ["model.pooling=attention", "model.standardise=false", f"training.epochs={epochs}", *settings]
        recipe = Recipe.load("speech-gradient", shown)
        return _seconds(lambda: train(learn, recipe, dev=judge, store=store))

    run(1)
    first, third = run(1), run(3)
    return (third - first) / 2


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
