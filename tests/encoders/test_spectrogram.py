"""The log-mel spectrogram: that of an implementation in numpy, exact in batches and over long clips."""

import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from emovoz.encoders import load_speech_encoder
from helpers import emovoz, relative_gap

RATE = 16000


def test_it_is_the_spectrogram_of_numpy(speech_samples: np.ndarray) -> None:
    samples = speech_samples[: 3 * RATE]
    filters = mel_filter_bank(1025, 80, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")
    window = window_function(400, "hamming", frame_length=2048)
    theirs = spectrogram(
        samples, window, 2048, 160, power=2.0, pad_mode="constant", mel_filters=filters, log_mel="log10"
    ).T[:300]
    ours = load_speech_encoder("log-mel").encode_each([samples])[0][0].cpu().numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_clip_has_the_same_frames_alone_in_company_and_within_a_long_one(speech_samples: np.ndarray) -> None:
    encoder = load_speech_encoder("log-mel")
    clips = [speech_samples[: int(seconds * RATE)] for seconds in (1, 0.025, 4)]
    for clip, states in zip(clips, encoder.encode(clips).unpad(), strict=True):
        assert relative_gap(states, encoder.encode_each([clip])[0]) <= 1e-5
    long = np.concatenate([speech_samples, speech_samples])[: 95 * RATE]
    states = encoder.encode_each([long])[0]
    assert states.shape == (1, 9500, 80)
    part = encoder.encode_each([long[28 * RATE : 34 * RATE]])[0]
    # away from the part's own edges; around 30 s two windows meet
    torch.testing.assert_close(states[:, 2810:3390], part[:, 10:-10], rtol=0, atol=1e-3)


def test_it_needs_no_weights() -> None:
    done = emovoz("encoders", "--check", "log-mel")
    assert done.returncode == 0, done.stderr
    assert "built-in" in done.stdout
    assert "1 x 100 x 80" in done.stdout
