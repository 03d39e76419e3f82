"""Speech encoders: how fast clips become hidden states, beside transformers, and beside the processor's own limit."""

from typing import Any

import numpy as np
import torch
from plain_whisper import plain_whisper, unpadded_states
from ratio import Times, alternated, table, timed
from some_clips import some_clips
from torch import Tensor

from emovoz.encoders import SpeechEncoder, load_speech_encoder
from emovoz.encoders.log_mel import log_mel
from emovoz.encoders.packed import PackedLinear, can_pack
from emovoz.threads import several_at_once

TITLE = "encoding speech by Whisper"
CLIPS, PADDED, ROUNDS = 200, 20, 3


def measured() -> str:
    """The table, and what the numbers mean."""
    clips = some_clips(CLIPS)
    whisper = load_speech_encoder("whisper-base")
    plain = plain_whisper()
    alone = alternated(
        lambda: whisper.encode_each(clips), lambda: [_unpadded(plain, whisper, clip) for clip in clips], rounds=ROUNDS
    )
    padded = _beside_padded(whisper, plain, clips)
    seconds = sum(map(len, clips)) / 16000
    rows: list[tuple[str, Times, float | None]] = [
        ("Whisper base, all layers, beside transformers as documented (padded to 30 s)", padded, 6.0),
        ("the same, like for like (unpadded, one clip at a time, the same log-mel)", alone, 1.3),
    ]
    return "\n".join(
        [
            f"{CLIPS} clips, {seconds:.0f} s of audio, samples in memory, float32, all hidden states; torch may use",
            f"{torch.get_num_threads()} threads on both sides. The padded baseline is timed on every",
            f"{CLIPS // PADDED}th clip and multiplied, for its cost does not depend on the clip. Most of the first",
            f"ratio is the padding that is left out: the clips are {seconds / CLIPS:.1f} s long on average, not 30.",
            "",
            table(rows),
            "",
            *_roofline(whisper, clips, alone),
        ]
    )


def _beside_padded(whisper: SpeechEncoder, plain: Any, clips: list[np.ndarray]) -> Times:
    from transformers import WhisperFeatureExtractor

    extractor, some = WhisperFeatureExtractor(), clips[:: CLIPS // PADDED]

    def documented() -> None:
        for clip in some:
            inputs = extractor(clip, sampling_rate=16000, return_tensors="pt")
            with torch.inference_mode():
                plain(inputs["input_features"], output_hidden_states=True)

    times = alternated(lambda: whisper.encode_each(clips), documented, rounds=3)
    return Times(times.ours, [seconds * CLIPS / PADDED for seconds in times.baseline])


def _unpadded(plain: Any, whisper: Any, clip: np.ndarray) -> Tensor:
    """All hidden states of one clip by the modules of transformers, whose own forward insists on 30 s."""
    with torch.inference_mode():
        mel = log_mel(torch.from_numpy(clip), whisper.filters)[None]
        return unpadded_states(plain, mel)


def _roofline(whisper: Any, clips: list[np.ndarray], times: Times) -> list[str]:
    """What the processor could do at most, and the share of it that encoding reaches."""
    lengths = [len(clip) // 320 for clip in clips]
    width, inner, depth = whisper.dim, whisper.model.config.encoder_ffn_dim, whisper.layers - 1
    a_frame = 2 * depth * (4 * width**2 + 2 * width * inner) + 2 * (2 * 3 * 80 * width + 3 * width**2)
    operations = sum(n * a_frame + depth * 4 * n**2 * width for n in lengths)
    own, packed = _peaks(width, inner)
    reached = operations / times.seconds / 1e9
    return [
        f"Roofline: these clips take {operations / 1e12:.2f} TFLOP (products of matrices in layers, convolutions and",
        f"attention). The largest products that torch makes here run at {own:.0f} GFLOP/s by its own `linear` and at",
        f"{packed:.0f} by oneDNN with packed weights (3,000 rows, {width} x {inner}, a product of its own a thread).",
        f"Encoding reaches {reached:.0f} GFLOP/s, {reached / packed:.0%} of the latter; transformers one clip at a",
        f"time reaches {operations / times.baseline_seconds / 1e9:.0f}.",
    ]


def _peaks(width: int, inner: int) -> tuple[float, float]:
    """GFLOP/s of torch's linear and of a packed one, as fast as all threads together do it."""
    rows, layer = torch.randn(3000, width), torch.nn.Linear(width, inner).requires_grad_(False)
    kinds = [layer, *([PackedLinear(layer.weight, layer.bias)] if can_pack(layer.weight) else [])]
    threads, times = torch.get_num_threads(), 20

    def speed(kind: torch.nn.Module) -> float:
        def work(_: int) -> None:
            with torch.inference_mode():
                for _ in range(times):
                    kind(rows)

        best = min(timed(lambda: list(several_at_once(work, range(threads)))) for _ in range(5))
        return 2 * 3000 * width * inner * times * threads / best / 1e9

    speeds = [speed(kind) for kind in kinds]
    return speeds[0], speeds[-1]
