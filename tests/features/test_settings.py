"""What a recipe's section `features` asks for is what is stored and what the head sees."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Waveform, extract
from emovoz.features import FrozenEncoders, StoredFeatures, encode_clips, features_of


def noise(seconds: float, seed: int = 0) -> Waveform:
    samples = np.random.default_rng(seed).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)
    return Waveform(samples, 16000)


CORPUS = Corpus([Clip(f"c{i}", noise(1 + i / 3, i), transcription="la casa " * (i + 1), label="joy") for i in range(4)])


@pytest.fixture
def encoders_with(tiny_whisper: Path, tiny_bert: Path) -> Any:
    """Encoders of a recipe with these settings of `features`, and the layers 1 (speech) and 2 (text) in use."""

    def make(**features: Any) -> FrozenEncoders:
        speech = {"model": str(tiny_whisper), "layers": [1]}
        text = {"model": str(tiny_bert), "layers": [2]}
        return FrozenEncoders.of(Recipe.checked({"speech": speech, "text": text, "features": features}))

    return make


def test_only_the_layers_in_use_are_kept_unless_more_are_asked_for(encoders_with: Any, tmp_path: Path) -> None:
    kinds: list[dict[str, Any]] = [{}, {"layers": "all"}, {"layers": [0]}, {"layers": [1, 2]}]
    sizes = [
        extract(CORPUS, encoders_with(**features), FeatureStore(tmp_path / str(i))).stored_bytes
        for i, features in enumerate(kinds)
    ]
    speech = sum(int(clip.audio.samples.size / 320) for clip in CORPUS if isinstance(clip.audio, Waveform)) * 32 * 2
    text = sum(2 * (i + 1) + 2 for i in range(4)) * 24 * 2
    assert sizes == [speech + text, 3 * (speech + text), 2 * (speech + text), 2 * (speech + text)]


def test_layers_kept_beyond_those_in_use_have_nothing_to_encode_later(
    encoders_with: Any, tiny_whisper: Path, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path)
    extract(CORPUS, encoders_with(layers="all"), store)
    other = FrozenEncoders.of(Recipe.checked({"speech": {"model": str(tiny_whisper), "layers": [0, 2]}}))
    assert extract(CORPUS, other, store).encoded == {"speech": 0}


def test_a_stride_makes_the_features_of_the_audio_smaller_and_is_a_content_of_its_own(
    encoders_with: Any, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path)
    plain, strided = encoders_with(), encoders_with(stride=4)
    assert extract(CORPUS, plain, store).encoded == {"speech": 4, "text": 4}
    assert extract(CORPUS, strided, store).encoded == {"speech": 4, "text": 0}
    for whole, means in zip(StoredFeatures(CORPUS, plain, store), StoredFeatures(CORPUS, strided, store), strict=True):
        frames = whole.by_modality["speech"].float()
        expected = torch.stack([part.mean(1) for part in frames.split(4, dim=1)], dim=1)
        torch.testing.assert_close(means.by_modality["speech"].float(), expected, rtol=2e-3, atol=2e-3)
        torch.testing.assert_close(means.by_modality["text"], whole.by_modality["text"], rtol=0, atol=0)


def test_float32_keeps_what_the_encoder_gave(encoders_with: Any, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    encoders = encoders_with(precision="float32")
    extract(CORPUS, encoders, store)
    branch = encoders.branches["speech"]
    for clip, features in zip(CORPUS, StoredFeatures(CORPUS, encoders, store), strict=True):
        assert isinstance(clip.audio, Waveform)
        alone = branch.encoder.encode_each([clip.audio.samples], branch.layers)[0].cpu()
        torch.testing.assert_close(features.by_modality["speech"], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("features", [{}, {"stride": 3}, {"precision": "float32"}])
def test_without_a_store_the_features_are_the_same(
    encoders_with: Any, tmp_path: Path, features: dict[str, Any]
) -> None:
    stored, _ = features_of(CORPUS, encoders_with(**features), FeatureStore(tmp_path / "store"))
    fresh, done = features_of(CORPUS, encoders_with(cache=False, **features), FeatureStore(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    assert done.stored_bytes == 0
    direct = encode_clips(CORPUS.clips, encoders_with(**features))
    for one, other, third in zip(stored, fresh, direct, strict=True):
        for name in ("speech", "text"):
            torch.testing.assert_close(one.by_modality[name], other.by_modality[name], rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(one.by_modality[name], third.by_modality[name], rtol=1e-3, atol=1e-3)  # type: ignore[union-attr]


def test_without_a_store_all_faults_are_told_at_once_too(encoders_with: Any, tmp_path: Path) -> None:
    clips = [*CORPUS, Clip("silent", Waveform(np.zeros(16000), 16000)), Clip("gone", tmp_path / "gone.wav")]
    with pytest.raises(InputError) as caught:
        features_of(Corpus(clips), encoders_with(cache=False), FeatureStore(tmp_path))
    assert sorted(fault.split(":")[0] for fault in caught.value.faults) == ["gone", "silent"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"features": {"stride": 0}}, r"features\.stride"),
        ({"features": {"precision": "int8"}}, r"features\.precision"),
        ({"features": {"layers": "all", "cache": False}}, r"features\.layers needs features\.cache"),
        ({"features": {"presicion": "float32"}}, "did you mean 'precision'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_loaded(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Recipe.checked({"speech": {"model": "no-such-encoder"}, **settings})


def test_the_size_of_what_is_to_come_is_told_first(
    encoders_with: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovoz.progress._shown", True)
    for features in ({}, {"stride": 2}, {"precision": "float32", "layers": "all"}):
        done = extract(CORPUS, encoders_with(**features), FeatureStore(tmp_path / str(features)))
        told = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("to encode"))
        assert float(told.split("about ")[1].split(" MB")[0]) == pytest.approx(done.stored_bytes / 1e6, abs=0.06)


def test_what_is_not_to_be_kept_is_not_extracted(encoders_with: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"features\.cache is false"):
        extract(CORPUS, encoders_with(cache=False), FeatureStore(tmp_path))


def test_layers_that_no_encoder_has_are_refused(encoders_with: Any) -> None:
    with pytest.raises(InputError, match=r"features\.layers: no encoder has the hidden states \[7\]"):
        encoders_with(layers=[1, 7])


def test_texts_that_are_cut_are_told_of(encoders_with: Any, tmp_path: Path, shown: Callable[[], str]) -> None:
    clips = [Clip("long", transcription="la casa " * 40), Clip("short", transcription="la casa")]
    extract(Corpus(clips), encoders_with(), FeatureStore(tmp_path))
    assert "1 of 2 new texts fill the 16 tokens" in shown()


def test_another_precision_is_encoded_anew_into_the_same_store(encoders_with: Any, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    extract(CORPUS, encoders_with(), store)
    exact = encoders_with(precision="float32")
    assert extract(CORPUS, exact, store).encoded == {"speech": 4, "text": 4}
    assert StoredFeatures(CORPUS, exact, store)[0].by_modality["speech"].dtype == torch.float32
    assert StoredFeatures(CORPUS, encoders_with(), store)[0].by_modality["speech"].dtype == torch.float16


def test_what_would_not_fit_is_not_begun(encoders_with: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    # the disk as it is, but nearly full
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type(usage)(usage.total, usage.total, 200_010_000))
    with pytest.raises(InputError, match="would not fit"):
        extract(CORPUS, encoders_with(), FeatureStore(tmp_path / "store"))
    assert not (tmp_path / "store").exists()
