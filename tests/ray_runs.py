"""Runs on a real Ray, and what they left in a store."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import soundfile
from safetensors import safe_open
from safetensors.torch import load_file

from emovoz import Clip, Corpus, Recipe
from emovoz.features import FeatureStore, FrozenEncoders, extract

RATE = 16000


def segments(samples: np.ndarray, path: Path, count: int, seconds: float = 12.0) -> Corpus:
    """Clips that are parts of one long recording, written there; a text each."""
    wanted = int(count * seconds * RATE)
    noise = np.random.default_rng(0).normal(0, 1e-3, wanted).astype(np.float32)
    soundfile.write(path, np.resize(samples, wanted) + noise, RATE, subtype="PCM_16")
    words = ["qué alegría", "miedo", "no", "sí", "hola la casa"]
    return Corpus(
        [
            Clip(f"{i}", path, start=i * seconds, end=(i + 1) * seconds - 0.01 * (i % 7), transcription=words[i % 5])
            for i in range(count)
        ]
    )


def locally(corpus: Corpus, recipe: Recipe, root: Path) -> FeatureStore:
    """A store that one process has filled."""
    store = FeatureStore(root)
    extract(corpus, FrozenEncoders.of(recipe), store)
    return store


def tensors(root: Path) -> dict[str, bytes]:
    """Every tensor in the shards below a folder, by encoder and name."""
    return {
        f"{shard.parent.name}/{name}": values.numpy().tobytes()
        for shard in root.glob("*/shard-*.safetensors")
        for name, values in load_file(shard).items()
    }


def repeated(root: Path) -> list[str]:
    """Tensors that are in several shards."""
    counts: Counter[str] = Counter()
    for shard in root.glob("*/shard-*.safetensors"):
        with safe_open(shard, "pt") as file:
            counts.update(file.keys())
    return [name for name, count in counts.items() if count > 1]


def encoder_processes() -> list[int]:
    """The numbers of the processes of this machine in which Ray encodes or judges."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        # a process may end while it is looked at
        with suppress(OSError):
            if command.read_bytes().startswith(b"ray::") and b"MapWorker" in command.read_bytes():
                found.append(int(command.parent.name))
    return found


@contextmanager
def one_killed(root: Path) -> Iterator[list[int]]:
    """In this block, one encoder process is killed once the first shard is there; yields its number, when known."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            if any(root.glob("*/shard-*.safetensors")):
                for process in encoder_processes()[:1]:
                    os.kill(process, 9)
                    killed.append(process)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield killed
    finally:
        over.set()
        watcher.join()
