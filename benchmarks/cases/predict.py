"""The label of one clip of 3 s: from the start of a process, and by a recogniser that is loaded."""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from long_audio import COMMAND, RATE, train
from ratio import alternated, timed
from record import real_audio
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification

from emovoz import Recognizer
from emovoz.encoders import locate
from emovoz.encoders.sources import directory_of

TITLE = "one clip of 3 s"
SECONDS, CALLS, COLD = 3, 30, 5
SHARE, MILLISECONDS = 0.8, 200
BASELINE = """
import sys
import soundfile
from transformers import pipeline

judge = pipeline("audio-classification", model=sys.argv[1])
samples, rate = soundfile.read(sys.argv[2], dtype="float32")
print(judge({"raw": samples, "sampling_rate": rate}))
"""


def measured() -> str:
    """A cold start in turns with the baseline, then calls in this process."""
    with tempfile.TemporaryDirectory() as folder:
        model, reads, plain, clip = (Path(folder) / name for name in ("model", "reads", "pipeline", "clip.wav"))
        train(model)
        train(reads, "default")
        _save_pipeline(plain)
        samples = np.concatenate([soundfile.read(path, dtype="float32")[0] for path in real_audio()[:5]])
        soundfile.write(clip, samples[: SECONDS * RATE], RATE)
        ours = [sys.executable, *COMMAND[1:], "predict", str(model), str(clip)]
        theirs = [sys.executable, "-c", BASELINE, str(plain), str(clip)]
        times = alternated(lambda: _run(ours), lambda: _run(theirs))
        with_words = [*ours[:-2], str(reads), str(clip), "--text", "no sé qué decirte"]
        cold = statistics.median(timed(lambda: _run(with_words)) for _ in range(COLD))
        recognizer = Recognizer.from_pretrained(model)
        recognizer.predict(clip)
        warm = statistics.median(timed(lambda: recognizer.predict(clip)) for _ in range(CALLS)) * 1000
    share = 1 / times.ratio
    return "\n".join(
        [
            "Cold: `emovoz predict MODEL clip.wav`, recipe `speech`, from the start of its process to its JSON, by",
            "torch. The baseline is a process that imports transformers, makes the pipeline `audio-classification` of",
            "the same Whisper base encoder with a linear head, and prints what it says of the clip (padded to 30 s, as",
            "the pipeline does). With words: the same with a model of recipe `default`, which reads them by",
            f"multilingual-e5-small; median of {COLD}. Warm: `Recognizer.predict` of the file by the first model,",
            f"median of {CALLS} calls, {_threads()}.",
            "",
            "| | emovoz | baseline | must reach | |",
            "|---|---|---|---|---|",
            f"| cold start, s | {times.seconds:.2f} | {times.baseline_seconds:.2f} | {SHARE} of the baseline: "
            f"{share:.2f} | {'yes' if share <= SHARE else '**no**'} |",
            f"| cold start with words, s | {cold:.2f} | | | |",
            f"| warm, ms | {warm:.0f} | | {MILLISECONDS} | {'yes' if warm <= MILLISECONDS else '**no**'} |",
        ]
    )


def _save_pipeline(directory: Path) -> None:
    """A model for transformers' pipeline, of the same encoder."""
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    encoder = directory_of(locate("whisper-base"))
    model = WhisperForAudioClassification(WhisperConfig.from_pretrained(encoder, num_labels=6))
    model.encoder = WhisperEncoder.from_pretrained(encoder, dtype=torch.float32)
    model.save_pretrained(directory)
    WhisperFeatureExtractor().save_pretrained(directory)


def _threads() -> str:
    return f"{torch.get_num_threads()} threads"


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
