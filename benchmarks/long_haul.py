"""The long haul: an hour of a service, and prediction over a folder of 5,000 clips, watched for what grows.

What counts as flat is set in watched.py, before anything is run. The clips are those of people where the development
data is there, else demo clips, each altered in gain and beginning, so that no two are the same.
Run: python benchmarks/long_haul.py --seconds 3600 --samples long-haul.json
Writes what it measured into benchmarks/RESULTS.md, under its own heading, and every sample into the file.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import numpy as np
import soundfile
from record import SPANISH, machine, real_audio, write_section
from watched import DRIFT, HANDLES, RISE, WARM_UP, Sample, drift, slope, watched

HEADING = "## The long haul"
CLIENTS = 3
PAUSE = 0.25
"""Seconds that a client waits between an answer and its next request."""
EVERY = 10.0
"""Seconds between two samples, and of a window that latencies are told of."""
EMOVOZ = [sys.executable, "-c", "from emovoz.cli import main; main()"]
FORMATS = {"wav": None, "flac": None, "ogg": "VORBIS", "opus": "OPUS"}


@dataclass
class Run:
    """What was seen of one process.

    Attributes:
        samples: of it, by the time.
        answers: second at which each came, and seconds that it took.
        wrong: answers that were not as they should have been.
        seconds: for which it ran.
        faulty: inputs that had a fault by intention.
    """

    samples: list[Sample] = field(default_factory=list)
    answers: list[tuple[float, float]] = field(default_factory=list)
    wrong: int = 0
    seconds: float = 0.0
    faulty: int = 0


def main() -> None:
    """Run both, then write down what was seen."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3600, help="of the service")
    parser.add_argument("--clips", type=int, default=5000, help="in the folder")
    parser.add_argument("--samples", type=Path, help="JSON file for every sample")
    parser.add_argument("--only", choices=("service", "folder"), help="to watch both at a time, by two commands")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _train(folder / "model")
        _write_clips(folder / "clips", arguments.clips)
        watch = {
            "service": lambda: _serve(folder, arguments.seconds),
            "folder": lambda: _predict(folder / "model", folder / "clips"),
        }
        runs = {name: run() for name, run in watch.items() if arguments.only in (None, name)}
    if arguments.samples:
        arguments.samples.write_text(json.dumps({name: asdict(run) for name, run in runs.items()}))
    heading = f"{HEADING}: {arguments.only}" if arguments.only else HEADING
    write_section(heading, "\n".join(_told(runs, arguments.clips)))


def _train(model: Path) -> None:
    script = (
        "from emovoz import Recipe, train; from emovoz.corpus import demo_corpus; "
        f"train(demo_corpus(), Recipe.load('default')).save_pretrained({str(model)!r})"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def _write_clips(folder: Path, count: int) -> None:
    """So many clips of several formats, a third of them with words beside them, and one in fifty damaged."""
    folder.mkdir()
    paths, rng = real_audio(), np.random.default_rng(0)
    for i, path in zip(range(count), itertools.cycle(paths), strict=False):
        samples, rate = soundfile.read(path, dtype="float32")
        kind = list(FORMATS)[i % len(FORMATS)]
        altered = samples[rng.integers(len(samples) // 4) :] * rng.uniform(0.2, 1.0)
        written = folder / f"{i:05}.{kind}"
        soundfile.write(written, altered, rate, format="OGG" if kind == "opus" else None, subtype=FORMATS[kind])
        if i % 3 == 0:
            written.with_suffix(".txt").write_text(f"esta es la frase número {i}", encoding="utf-8")
        if _damaged(written):
            written.write_bytes(rng.bytes(2000))


def _damaged(path: Path) -> bool:
    return int(path.stem) % 50 == 49


def _serve(folder: Path, seconds: float) -> Run:
    """A service, asked by a few clients for so long."""
    run = Run()
    clips = sorted(path for path in (folder / "clips").iterdir() if path.suffix != ".txt")[:1000]
    with _served(folder / "model") as (url, process):
        began = time.monotonic()
        with watched(process, began, EVERY) as run.samples, ThreadPoolExecutor(CLIENTS) as people:
            for client in [people.submit(_ask, url, clips, i, began, seconds, run) for i in range(CLIENTS)]:
                client.result()
        run.seconds = time.monotonic() - began
    return run


@contextmanager
def _served(model: Path) -> Iterator[tuple[str, int]]:
    """Where `emovoz serve` answers, and the number of its process."""
    command = [*EMOVOZ, "serve", str(model), "--port", "0", "--no-page"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        url = next(line for line in process.stderr if "http://" in line).split()[-1]
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _ask(url: str, clips: Sequence[Path], number: int, began: float, seconds: float, run: Run) -> None:
    """One client: every seventh of its requests has words, every eleventh is cut so that it cannot be judged."""
    with httpx.Client(base_url=url, timeout=300) as connection:
        for i in itertools.count(number, CLIENTS):
            if time.monotonic() - began > seconds:
                return
            clip = clips[i % len(clips)]
            content, faulty = clip.read_bytes(), _damaged(clip)
            if i % 11 == 0:
                content, faulty = content[:40], True
            started = time.monotonic()
            if i % 7 == 0:
                files, text = {"audio": (clip.name, content)}, {"text": f"frase número {i}"}
                answer = connection.post("/v1/predict", files=files, data=text)
            else:
                answer = connection.post("/v1/predict", content=content)
            run.faulty += faulty
            run.wrong += answer.status_code != (422 if faulty else 200)
            if not faulty:
                run.answers.append((time.monotonic() - began, time.monotonic() - started))
            time.sleep(PAUSE)


def _predict(model: Path, clips: Path) -> Run:
    """`emovoz predict` over the folder."""
    run = Run()
    process = subprocess.Popen([*EMOVOZ, "predict", str(model), str(clips)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    began = time.monotonic()
    last = 0.0
    with watched(process.pid, began, EVERY / 5) as run.samples:
        for line in process.stdout:
            told, now = json.loads(line), time.monotonic() - began
            faulty = _damaged(Path(told["id"]))
            run.faulty += faulty
            run.wrong += ("error" in told) != faulty
            run.answers.append((now, now - last))
            last = now
    run.seconds = time.monotonic() - began
    process.wait()
    run.wrong += sum(path.suffix != ".txt" for path in clips.iterdir()) - len(run.answers)
    return run


def _windows(answers: Sequence[tuple[float, float]]) -> list[float]:
    """Mean latency in each window of the time."""
    windows = itertools.groupby(sorted(answers), lambda answer: answer[0] // EVERY)
    return [float(np.mean([seconds for _, seconds in window])) for _, window in windows]


def _told(runs: Mapping[str, Run], clips: int) -> Iterator[str]:
    yield machine()
    yield ""
    yield f"Clips of {'spanish-elicited' if SPANISH.is_dir() else 'the demo corpus'}, each altered; wav, flac, ogg and"
    yield f"opus; recipe `default`. Service: `emovoz serve`, {CLIENTS} clients, each waiting {PAUSE} s after an answer;"
    yield "every seventh request with words, every eleventh with a cut file. Folder: `emovoz predict` over"
    yield f"{clips} files, a third with words, one in fifty not audio; 16 are judged at a time, so that of its seconds"
    yield "only the mean tells. Wrong: an error where there should be a label, a label where there should be an error,"
    yield f"or no answer. The first {WARM_UP:.0%} of the time is warm-up. Set before the run: memory is flat where the"
    yield f"line through it (Theil and Sen) rises at most {RISE:.0f} MB; open files where the last quarter has at most"
    yield f"{HANDLES} more than the first; latency where the 95 % interval of last / first quarter (means of windows of"
    yield f"{EVERY:.0f} s) is not wholly above {DRIFT}. Other work ran on the machine meanwhile."
    yield ""
    columns = [_seen(run) for run in runs.values()]
    yield f"| | {' | '.join(runs)} |"
    yield "|---" * (1 + len(runs)) + "|"
    for name in columns[0]:
        yield f"| {name} | {' | '.join(column[name] for column in columns)} |"


def _seen(run: Run) -> dict[str, str]:
    """The figures of a run by their names."""
    judged = [one for one in run.samples if WARM_UP * run.seconds < one.second < run.seconds]
    quarter = max(1, len(judged) // 4)
    first, last = judged[:quarter], judged[-quarter:]
    hourly = slope([one.second for one in judged], [one.megabytes for one in judged])
    rise = hourly * (judged[-1].second - judged[0].second) / 3600
    handles = [float(np.median([one.handles for one in part])) for part in (first, last)]
    answers = [answer for answer in run.answers if answer[0] > WARM_UP * run.seconds]
    latency, low, high = drift(_windows(answers))
    p50, p95 = np.percentile([seconds for _, seconds in answers], [50, 95])
    flat = {"memory": rise <= RISE, "open files": handles[1] - handles[0] <= HANDLES, "latency": low <= DRIFT}
    return {
        "minutes": f"{run.seconds / 60:.1f}",
        "answers": str(len(run.answers)),
        "faulty inputs": str(run.faulty),
        "wrong": str(run.wrong),
        "MB, first and last quarter": _medians(first, last, "megabytes"),
        "MB an hour": f"{hourly:+.1f}",
        "MB risen by the end": f"{rise:+.1f}",
        "open files, first and last quarter": _medians(first, last, "handles"),
        "threads, first and last quarter": _medians(first, last, "threads"),
        "seconds an answer: mean, p50, p95": f"{np.mean([one for _, one in answers]):.3f}, {p50:.3f}, {p95:.3f}",
        "its mean, last / first quarter": f"{latency:.2f} [{low:.2f}, {high:.2f}]",
        "processor seconds an answer, first and last": f"{_work(run, first):.3f}, {_work(run, last):.3f}",
        "flat": ", ".join(f"{name}: {'yes' if so else 'no'}" for name, so in flat.items()),
    }


def _medians(first: Sequence[Sample], last: Sequence[Sample], name: str) -> str:
    return ", ".join(f"{np.median([getattr(one, name) for one in part]):.0f}" for part in (first, last))


def _work(run: Run, part: Sequence[Sample]) -> float:
    """Processor seconds an answer, from the first of these samples to the last."""
    answers = sum(part[0].second < when <= part[-1].second for when, _ in run.answers)
    return (part[-1].work - part[0].work) / max(1, answers)


if __name__ == "__main__":
    main()
