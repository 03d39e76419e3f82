"""What ten million clips would take: rates measured here, the speed of a GPU assumed, the rest arithmetic.

Run: python benchmarks/scale.py [--gpu-tflops 312 --utilisation 0.3 --price 2.0 --clips 10000000 --seconds 5.4]
Writes the tables into benchmarks/RESULTS.md; docs/scale.md says what follows from them. A minute or two, 4 GB.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from record import machine, real_audio, write_section
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from emovoz import Corpus, FeatureStore
from emovoz.corpus import load_audio
from emovoz.encoders import load_speech_encoder
from emovoz.features.index import Index, Shard, hashed
from emovoz.features.shards import read_holdings

FRAME_RATE, DIM, STATES, DEPTH = 49.9, 1024, 25, 24
SHARD = 32_000_000
ROWS, ENTRIES, FILES = 20_000, 1_000_000, 20_000


def main() -> None:
    """Measure, calculate, write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=5.4, help="of a clip")
    parser.add_argument("--gpu-tflops", type=float, default=312.0, help="peak in float16: an A100 has 312")
    parser.add_argument("--utilisation", type=float, default=0.3, help="share of the peak that is reached: assumed")
    parser.add_argument("--price", type=float, default=2.0, help="of a GPU hour: assumed")
    given = parser.parse_args()
    with TemporaryDirectory() as scratch:
        rates = measured(Path(scratch), given.seconds)
    text = "\n\n".join(
        [
            machine() + f" Load while measuring: {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores; processor time.",
            "Measured:",
            table(["", "here"], [[name, value] for name, value in told(rates).items()]),
            f"Assumed: a GPU with a peak of {given.gpu_tflops:.0f} TFLOP/s in float16, of which "
            f"{given.utilisation:.0%} is reached, at {given.price:.2f} an hour. "
            f"{given.clips:,} clips of {given.seconds} s are "
            f"{given.clips * given.seconds / 3600:,.0f} h.",
            encoding(given, rates),
            storing(given, rates),
            keeping(given, rates),
        ]
    )
    write_section("## Scale: ten million clips, on paper", text)


def flops(seconds: float) -> float:
    """Of XLS-R 300M for a clip: convolutions, position, and 24 layers with attention among all frames."""
    frames = seconds * FRAME_RATE
    strides, kernels = (5, 2, 2, 2, 2, 2, 2), (10, 3, 3, 3, 3, 2, 2)
    positions, width, found = seconds * 16000, 1, 0.0
    for stride, kernel in zip(strides, kernels, strict=True):
        positions /= stride
        found += 2 * positions * kernel * width * 512
        width = 512
    position = 2 * frames * 128 * DIM * DIM / 16
    layers = DEPTH * (2 * frames * 12 * DIM**2 + 4 * frames**2 * DIM)
    return found + 2 * frames * 512 * DIM + position + layers


def measured(scratch: Path, seconds: float) -> dict[str, float]:
    """Rates of this machine; processor seconds, so that other programs do not count."""
    rates: dict[str, float] = {}
    model = scratch / "xls-r"
    config = Wav2Vec2Config(
        hidden_size=DIM, num_hidden_layers=DEPTH, num_attention_heads=16, intermediate_size=4 * DIM,
        do_stable_layer_norm=True, feat_extract_norm="layer", conv_bias=True,
    )  # fmt: skip
    Wav2Vec2Model(config).save_pretrained(model)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(model)
    encoder = load_speech_encoder(str(model))
    waves = [np.random.default_rng(i).standard_normal(int(seconds * 16000)).astype(np.float32) for i in range(4)]
    layers = list(range(STATES))
    took = spent(lambda: encoder.encode(waves, layers))
    rates["encode_times"] = len(waves) * seconds / took
    rates["encode_gflops"] = len(waves) * flops(seconds) / took / 1e9
    audio = real_audio()[:100]
    heard: list[float] = []
    took = spent(lambda: heard.extend(len(load_audio(path)) / 16000 for path in audio))
    rates["decode_times"] = sum(heard) / took
    rates |= _store_rates(scratch / "store", seconds)
    rates |= _index_rates()
    rates |= _manifest_rates(scratch)
    folder = scratch / "files"
    folder.mkdir()
    for number in range(FILES):
        (folder / str(number)).touch()
    took = spent(lambda: [file.stat().st_size for file in os.scandir(folder)])
    rates["list_files"] = FILES / took
    return rates


def _store_rates(root: Path, seconds: float) -> dict[str, float]:
    store, layers = FeatureStore(root), range(0, STATES, 3)
    frames = round(seconds * FRAME_RATE / 4)
    features = {layer: torch.randn(frames, DIM).half() for layer in layers}
    keys = [f"key{i}" for i in range(200)]

    def write() -> None:
        with store.writing("a" * 32) as writer:
            for key in keys:
                writer.add(key, features)

    def read() -> None:
        for found in FeatureStore(root).find("a" * 32, keys, list(layers)):
            found.read()

    size = len(keys) * sum(values.nbytes for values in features.values()) / 1e6
    rates = {"write_mb": size / spent(write), "read_mb": size / spent(read)}
    shards = list(root.rglob("shard-*"))
    rates["headers"] = len(shards) / spent(lambda: [read_holdings(shard) for shard in shards])
    return rates


def _index_rates() -> dict[str, float]:
    each = ENTRIES // 100
    index = Index.of(
        {
            Shard(f"shard-{number:016x}.safetensors", SHARD, "xls-r-300m"): [
                (hashed(f"key{i}"), "clean", (0, 3, 6)) for i in range(number * each, (number + 1) * each)
            ]
            for number in range(100)
        }
    )
    index.find(["none"], "clean")
    arrays = (index.keys, index.views, index.layers, index._order, index._sorted)
    keys = [f"key{i}" for i in np.random.default_rng(0).integers(ENTRIES, size=20_000)]
    took = spent(lambda: index.find(keys, "clean"))
    return {"index_bytes": sum(array.nbytes for array in arrays) / ENTRIES, "lookups": len(keys) / took}


def _manifest_rates(scratch: Path) -> dict[str, float]:
    path = scratch / "manifest.csv"
    rows = "".join(f"clip{i:08d}.flac,joy,speaker{i % 5000},una frase de unas ocho palabras {i}\n" for i in range(ROWS))
    path.write_text("id,label,speaker,transcription\n" + rows)
    held: list[Corpus] = []
    took = spent(lambda: held.append(Corpus.from_manifest(path, audio=False)))
    now = _resident()
    held.append(Corpus.from_manifest(path, audio=False))
    return {"rows": ROWS / took, "row_bytes": max(_resident() - now, 0) / ROWS}


def encoding(given: argparse.Namespace, rates: dict[str, float]) -> str:
    """Time and cost by number of GPUs."""
    times = given.gpu_tflops * 1e12 * given.utilisation / flops(given.seconds) * given.seconds
    hours = given.clips * given.seconds / 3600 / times
    rows = []
    for gpus in (1, 8, 64):
        cores = gpus * times / rates["decode_times"]
        layout = size_of(given, 9, 4, 2) / (hours / gpus * 3600) / 1e6
        rows.append(
            [str(gpus), duration(hours / gpus), f"{hours * given.price:,.0f}", f"{cores:,.1f}", f"{layout:,.0f}"]
        )
    cpu = given.clips * given.seconds / 3600 / rates["encode_times"]
    head = ["GPUs", "encoding takes", "costs", "cores that decode", "MB/s into the store (every 3, stride 4)"]
    return (
        f"A clip takes {flops(given.seconds) / 1e9:.0f} GFLOP, so a GPU {times:,.0f}x real time; a core as "
        f"measured here would take {duration(cpu)}.\n\n{table(head, rows)}"
    )


def storing(given: argparse.Namespace, rates: dict[str, float]) -> str:
    """Bytes by what is kept."""
    kept = {"all 25": 25, "every 3 (9)": 9, "one": 1}
    rows = [
        [name, str(stride), precision, f"{size_of(given, states, stride, width) / given.clips / 1e6:.3f}",
         f"{size_of(given, states, stride, width) / 1e12:.2f}", f"{size_of(given, states, stride, width) / SHARD:,.0f}"]
        for name, states in kept.items()
        for stride in (1, 4)
        for precision, width in (("float32", 4), ("float16", 2))
    ]  # fmt: skip
    head = ["states", "stride", "precision", "MB a clip", "TB", "shards of 32 MB"]
    return table(head, rows)


def keeping(given: argparse.Namespace, rates: dict[str, float]) -> str:
    """What the bookkeeping takes."""
    shards = size_of(given, 9, 4, 2) / SHARD
    epoch = size_of(given, 9, 4, 2) / 1e6 / rates["read_mb"] / 3600
    rows = [
        ["index in memory", f"{given.clips * rates['index_bytes'] / 1e9:.2f} GB"],
        ["manifest in memory", f"{given.clips * rates['row_bytes'] / 1e9:.1f} GB"],
        ["manifest read", duration(given.clips / rates["rows"] / 3600)],
        ["what is missing looked up", duration(given.clips / rates["lookups"] / 3600)],
        ["audio decoded once by one core", duration(given.clips * given.seconds / rates["decode_times"] / 3600)],
        [f"{shards:,.0f} shards listed", duration(shards / rates["list_files"] / 3600)],
        ["their headers read, as each writer does when it begins", duration(shards / rates["headers"] / 3600)],
        ["an epoch read by one core", duration(epoch)],
    ]
    return "Every third state, frames of 80 ms, float16:\n\n" + table(["", ""], rows)


def size_of(given: argparse.Namespace, states: int, stride: int, width: int) -> float:
    """Bytes of all features."""
    return float(given.clips * given.seconds * FRAME_RATE / stride * DIM * states * width)


def told(rates: dict[str, float]) -> dict[str, str]:
    """The rates for people."""
    return {
        "XLS-R 300M (its shape, weights by chance), a core, all states, x real time": f"{rates['encode_times']:.2f}",
        "the same, GFLOP/s": f"{rates['encode_gflops']:.0f}",
        "decoding audio, a core, x real time": f"{rates['decode_times']:,.0f}",
        "writing to the store, MB/s": f"{rates['write_mb']:,.0f}",
        "reading from it, its checksums included, MB/s": f"{rates['read_mb']:,.0f}",
        "headers of shards read, a second": f"{rates['headers']:,.0f}",
        "files of a folder listed with their sizes, a second": f"{rates['list_files']:,.0f}",
        "index in memory, bytes an entry": f"{rates['index_bytes']:.0f}",
        "contents looked up among 1,000,000, a second": f"{rates['lookups']:,.0f}",
        "rows of a manifest read, a second": f"{rates['rows']:,.0f}",
        "a row in memory, bytes": f"{rates['row_bytes']:,.0f}",
    }


def duration(hours: float) -> str:
    """Hours for people."""
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 72 else f"{hours / 24:,.0f} days"


def table(head: list[str], rows: list[list[str]]) -> str:
    """In Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def spent(work: Callable[[], object]) -> float:
    """Processor seconds that a piece of work takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    main()
