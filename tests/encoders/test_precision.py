"""Encoders that multiply in reduced precision, as they do on a GPU: other fingerprints, nearly the same features."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emovoz import Corpus, InputError, SpeechEncoder, TextEncoder
from emovoz.encoders import load_speech_encoder, load_text_encoder
from emovoz.encoders.wav2vec2 import normalised_over_time
from helpers import emovoz, json_lines, relative_gap
from tiny_encoders import speech_checkpoint


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOZ_PRECISION", "bfloat16")


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
@pytest.mark.parametrize("family", ["wav2vec 2.0 base", "XLS-R", "w2v-BERT 2.0", "WavLM base"])
def test_every_family_gives_float32_features_near_the_exact_ones(
    family: str, precision: str, speech_samples: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOZ_PRECISION", precision)
    speech_checkpoint(family, tmp_path)
    reduced = load_speech_encoder(str(tmp_path)).encode_each([speech_samples[:32000]])[0]
    monkeypatch.delenv("EMOVOZ_PRECISION")
    exact = load_speech_encoder(str(tmp_path)).encode_each([speech_samples[:32000]])[0]
    assert reduced.dtype == torch.float32
    assert 0 < relative_gap(reduced, exact) < 0.05


@pytest.mark.usefixtures("bfloat16")
def test_features_of_another_precision_are_other_features(
    whisper: SpeechEncoder, e5: TextEncoder, speech_samples: np.ndarray
) -> None:
    hears, reads = load_speech_encoder("whisper-base"), load_text_encoder("multilingual-e5-small")
    assert hears.fingerprint == whisper.kindred["bfloat16"] != whisper.fingerprint
    assert reads.fingerprint == e5.kindred["bfloat16"] != e5.fingerprint
    clip = [speech_samples[:32000]]
    assert 0 < relative_gap(hears.encode_each(clip, [2, 3, 4])[0], whisper.encode_each(clip, [2, 3, 4])[0]) < 0.05
    assert reads.encode_each(["¡Qué alegría!"])[0].dtype == torch.float32


@pytest.mark.usefixtures("bfloat16")
def test_a_model_works_in_another_precision_than_it_was_trained_in_and_says_so(quickstart: Path, demo: Corpus) -> None:
    clip = demo.split("test").clips[0]
    done = emovoz("predict", str(quickstart / "model"), str(clip.audio))
    assert done.returncode == 0, done.stderr
    assert "EMOVOZ_PRECISION=float32 computes them alike" in done.stderr
    (line,) = json_lines(done.stdout)
    assert line["label"] in demo.labels


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_quiet_clips_are_heard_as_well_as_loud_ones(
    precision: str, whisper: SpeechEncoder, speech_samples: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOZ_PRECISION", precision)
    reduced = load_speech_encoder("whisper-base")
    for level in (1, 0.01):
        clip = [(level * speech_samples[:32000]).astype(np.float32)]
        assert relative_gap(reduced.encode_each(clip, [2, 3, 4])[0], whisper.encode_each(clip, [2, 3, 4])[0]) < 0.05


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_channels_are_normalised_over_time_in_reduced_precision_too(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    norm = torch.nn.GroupNorm(8, 8).requires_grad_(False)
    rows = 300 * torch.randn(50, 8)
    found = normalised_over_time(norm, rows.to(precision))
    torch.testing.assert_close(found, norm(rows.T[None])[0].T, rtol=0, atol=0.02)


def test_an_unknown_precision_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOZ_PRECISION", "float8")
    with pytest.raises(InputError, match="float8: no such precision; float32, float16, bfloat16"):
        load_speech_encoder("whisper-base")
