"""An hour of audio through `predict`."""

import tempfile
from pathlib import Path

from long_audio import run, train, write

TITLE = "one hour of audio through predict"
MINUTES = 60
TIMES_REAL, MEGABYTES = 12, 1500


def measured() -> str:
    """The command as a process of its own, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        model, recording = Path(folder) / "model", Path(folder) / "hour.wav"
        train(model)
        write(recording, MINUTES)
        seconds, megabytes = run(["predict", str(model), str(recording)])
    speed = MINUTES * 60 / seconds
    return "\n".join(
        [
            "`emovoz predict MODEL hour.wav`, recipe `speech` (Whisper base, layers 2-4), a process of its own, start",
            "included, once; the recording is clips one after the other, as a 16 kHz wav; peak memory as the system",
            "accounts it. The baseline is real time.",
            "",
            "| | measured | must reach | |",
            "|---|---|---|---|",
            f"| times real time | {speed:.0f} | {TIMES_REAL} | {'yes' if speed >= TIMES_REAL else '**no**'} |",
            f"| peak MB | {megabytes:.0f} | {MEGABYTES} | {'yes' if megabytes <= MEGABYTES else '**no**'} |",
        ]
    )
