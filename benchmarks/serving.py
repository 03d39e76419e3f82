"""A service under load: 32 clients at once for a minute, with clips judged together and one by one.

Two services of the same model, one of them with batches of one clip, are asked in turns of 20 s by the same clients;
each client sends its next clip as soon as the last is answered. Takes five minutes.
Run: python benchmarks/serving.py
Writes what it measured into benchmarks/RESULTS.md, under its own heading.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from record import SPANISH, machine, real_audio, write_section

HEADING = "## A service under load"
CLIENTS, SECONDS, TURN = 32, 60, 20
BATCHES = {"together": 32, "one by one": 1}
SERVE = """
import sys
from emovoz import Recognizer
from emovoz.progress import show_progress
from emovoz.serve import ServeSettings, make_app
from emovoz.serve.address import bound
from emovoz.serve.run import run
show_progress()
settings = ServeSettings(batch_clips=int(sys.argv[2]))
run(make_app(Recognizer.from_pretrained(sys.argv[1]), settings), bound("127.0.0.1", 0))
"""


@dataclass
class Load:
    """What was seen of one service.

    Attributes:
        url: where it is.
        latencies: seconds of each answer.
        failed: answers that were none.
        memory: megabytes resident, after ten seconds of load and after every turn.
        seconds: for which it was asked.
        work: seconds of a processor that it took, which a busy machine does not stretch.
        batches: how many there were.
    """

    url: str
    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    memory: list[float] = field(default_factory=list)
    seconds: float = 0.0
    work: float = 0.0
    batches: float = 0.0


def main() -> None:
    """Measure, then write it down."""
    clips = [path.read_bytes() for path in real_audio()[:: max(1, len(real_audio()) // 200)]]
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        _train(model)
        with _served(model, BATCHES["together"]) as together, _served(model, BATCHES["one by one"]) as alone:
            loads = [Load(together), Load(alone)]
            for load in loads:
                _ask(load.url, clips, 3.0)
            for _ in range(SECONDS // TURN):
                for load in loads:
                    _turn(load, clips)
    write_section(HEADING, "\n".join(_told(loads, len(clips))))


def _train(model: Path) -> None:
    script = (
        "from emovoz import Recipe, train; from emovoz.corpus import demo_corpus; "
        f"train(demo_corpus(), Recipe.load('default')).save_pretrained({str(model)!r})"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@contextmanager
def _served(model: Path, batch: int) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(model), str(batch)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield next(line for line in process.stderr if "http://" in line).split()[-1]
    finally:
        process.terminate()
        process.wait()


def _turn(load: Load, clips: Sequence[bytes]) -> None:
    """Ask for so long, and note what is seen."""
    batches, work = _metric(load.url, "emovoz_batch_clips_count"), _metric(load.url, "process_cpu_seconds_total")
    started = time.monotonic()
    with ThreadPoolExecutor(1) as watcher:
        if not load.memory:
            watcher.submit(_note_memory, load, 10.0)
        answers = _ask(load.url, clips, TURN)
    load.seconds += time.monotonic() - started
    load.latencies += [seconds for seconds, _ in answers]
    load.failed += sum(not sound for _, sound in answers)
    load.batches += _metric(load.url, "emovoz_batch_clips_count") - batches
    load.work += _metric(load.url, "process_cpu_seconds_total") - work
    _note_memory(load, 0.0)


def _note_memory(load: Load, wait: float) -> None:
    time.sleep(wait)
    load.memory.append(_megabytes(load.url))


def _ask(url: str, clips: Sequence[bytes], seconds: float) -> list[tuple[float, bool]]:
    """By all clients at once, for so long: seconds until each answer, and whether it was one."""
    deadline = time.monotonic() + seconds

    def client(number: int) -> list[tuple[float, bool]]:
        answers = []
        with httpx.Client(base_url=url, timeout=300) as connection:
            for i in range(number, sys.maxsize, CLIENTS):
                if time.monotonic() > deadline:
                    break
                started = time.perf_counter()
                answer = connection.post("/v1/predict", content=clips[i % len(clips)])
                answers.append((time.perf_counter() - started, answer.status_code == 200))
        return answers

    with ThreadPoolExecutor(CLIENTS) as people:
        return [one for answers in people.map(client, range(CLIENTS)) for one in answers]


def _megabytes(url: str) -> float:
    return _metric(url, "process_resident_memory_bytes") / 1e6


def _metric(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics", timeout=300).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def _told(loads: Sequence[Load], clips: int) -> Iterator[str]:
    whose = "clips of spanish-elicited" if SPANISH.is_dir() else "demo clips"
    yield machine()
    yield ""
    yield f"{CLIENTS} clients at once, each sending its next clip when the last is answered; {clips} {whose},"
    yield f"sound alone, recipe `default`. Two services, asked in turns of {TURN} s, {SECONDS} s each, of which each"
    yield "makes batches of at most 32 clips or of 1; clients and services share the processors. A clip by itself is"
    yield "worked on by all processors, of several each has its own. Other work ran on the machine meanwhile."
    yield ""
    yield "| judged | answers | failed | a second | p50 s | p95 s | processor s | a batch | MB at 10 s | MB at end |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, load in zip(BATCHES, loads, strict=True):
        p50, p95 = np.percentile(load.latencies, [50, 95])
        count = len(load.latencies)
        yield (
            f"| {name} | {count} | {load.failed} | {count / load.seconds:.1f} | {p50:.2f} | {p95:.2f} "
            f"| {load.work / count:.3f} | {count / load.batches:.1f} | {load.memory[0]:.0f} | {load.memory[-1]:.0f} |"
        )


if __name__ == "__main__":
    main()
