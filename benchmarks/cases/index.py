"""The index of a store with a million entries."""

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ratio import timed

from emovoz.features.index import Index, Shard, hashed, read_index, write_index

TITLE = "an index of 1,000,000 entries"
ENTRIES, SHARDS, LOOKED_UP = 1_000_000, 1000, 2000


def measured() -> str:
    """Opening it, looking one entry up, and what it takes of memory."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / ("a" * 32)
        folder.mkdir()
        write_index(folder, _synthetic())
        before = _resident()
        opening = [timed(lambda: _opened(folder)) for _ in range(5)]
        index = _opened(folder)
        taken = _resident() - before
    random = np.random.default_rng(0)
    keys = [f"key{i}" for i in random.integers(ENTRIES, size=LOOKED_UP)]
    looking = []
    for key in keys:
        started = time.perf_counter()
        _, found = index.find([key], "clean")
        looking.append(time.perf_counter() - started)
        assert len(found) == 1
    rows = [
        ("open, s", f"{statistics.median(opening):.2f}", "2"),
        ("look one entry up, us", f"{statistics.median(looking) * 1e6:.0f}", "50"),
        ("resident memory, MB", f"{taken / 1e6:.0f}", "500"),
    ]
    return "\n".join(
        [
            f"A synthetic index of {SHARDS} shards; medians of {len(opening)} openings, the first search included, and",
            f"of {LOOKED_UP} look-ups by chance.",
            "",
            "| | measured | at most |",
            "|---|---|---|",
            *(f"| {name} | {value} | {most} |" for name, value, most in rows),
        ]
    )


def _synthetic() -> Index:
    each = ENTRIES // SHARDS
    return Index.of(
        {
            Shard(f"shard-{number:016x}.safetensors", 32_000_000, "whisper-base"): [
                (hashed(f"key{i}"), "clean", (0, 3, 6)) for i in range(number * each, (number + 1) * each)
            ]
            for number in range(SHARDS)
        }
    )


def _opened(folder: Path) -> Index:
    index = read_index(folder)
    # the order of the keys is made at the first search
    index.find(["none"], "clean")
    return index


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
