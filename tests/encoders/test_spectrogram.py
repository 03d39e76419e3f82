"""The log-mel spectrogram: librosa's, exact in batches and over long clips."""

import librosa
import numpy as np
import torch

from emovoz.encoders import load_speech_encoder
from helpers import emovoz, relative_gap

RATE = 16000


def test_it_is_the_spectrogram_of_librosa(speech_samples: np.ndarray) -> None:
    samples = speech_samples[: 3 * RATE]
    power = librosa.feature.melspectrogram(
        y=samples, sr=RATE, n_fft=2048, win_length=400, hop_length=160, window="hamming", n_mels=80, htk=False,
        norm="slaney", power=2.0, center=True, pad_mode="constant",
    )  # fmt: skip
    theirs = np.log10(np.maximum(power, 1e-10)).T[:300]
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
