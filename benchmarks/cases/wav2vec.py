"""An encoder of the shape of wav2vec 2.0 base: how fast clips become hidden states, beside transformers."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from ratio import Times, alternated, table
from some_clips import some_clips

from emovoz.encoders import load_speech_encoder

TITLE = "encoding speech by wav2vec 2.0"
CLIPS = 200


def measured() -> str:
    """The table."""
    clips = some_clips(CLIPS)
    rows: list[tuple[str, Times, float | None]] = [("all layers", _beside_transformers(clips), 1.7)]
    return (
        f"{CLIPS} clips, {sum(map(len, clips)) / 16000:.0f} s of audio, the shape of wav2vec 2.0 base with\nrandom "
        "weights (what it costs does not depend on them), float32; transformers one clip at a time.\n\n"
        f"{table(rows)}"
    )


def _beside_transformers(clips: list[np.ndarray]) -> Times:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        plain = Wav2Vec2Model(Wav2Vec2Config()).eval()
        plain.save_pretrained(folder)
        ours = load_speech_encoder(str(Path(folder)))
    extractor = Wav2Vec2FeatureExtractor()

    def one_by_one() -> None:
        for clip in clips:
            inputs = extractor(clip, sampling_rate=16000, return_tensors="pt")
            with torch.inference_mode():
                plain(inputs["input_values"], output_hidden_states=True)

    return alternated(lambda: ours.encode_each(clips), one_by_one, rounds=2)
