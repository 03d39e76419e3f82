"""eGeMAPS and ComParE: the values of openSMILE itself, kept whole, one vector a clip."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emovoz import Clip, Corpus, FeatureStore, Recipe, Recognizer, Waveform, evaluate, train
from emovoz.corpus import load_audio
from emovoz.encoders import KNOWN, load_speech_encoder
from emovoz.errors import InputError
from emovoz.features import FrozenEncoders, features_of
from helpers import emovoz

RATE = 16000
SETS = {"egemaps": "eGeMAPSv02", "compare": "ComParE_2016"}
opensmile = pytest.importorskip("opensmile", reason="needs the extra opensmile")


def theirs(name: str, samples: np.ndarray) -> np.ndarray:
    """What openSMILE's own interface gives [dim]."""
    smile = opensmile.Smile(SETS[name], opensmile.FeatureLevel.Functionals)
    values: np.ndarray = smile.process_signal(samples, RATE).to_numpy()[0]
    return values


@pytest.mark.parametrize("name", SETS)
def test_the_values_are_those_of_opensmile_alone_and_in_company(name: str, demo: Corpus) -> None:
    clips = [load_audio(clip.audio) for clip in demo.clips[:3] if clip.audio is not None]
    encoder = load_speech_encoder(name)
    states = encoder.encode_each(clips)
    for samples, state in zip(clips, states, strict=True):
        assert state.shape == (1, 1, KNOWN[name].dim)
        np.testing.assert_array_equal(state.flatten().numpy(), theirs(name, samples))
    assert torch.equal(encoder.encode_each(clips[:1])[0], states[0])
    assert (encoder.layers, encoder.dim) == (KNOWN[name].layers, KNOWN[name].dim)


def test_the_feature_sets_are_two_encoders_and_no_silence_or_snippet_breaks_them() -> None:
    encoders = [load_speech_encoder(name) for name in SETS]
    assert encoders[0].fingerprint != encoders[1].fingerprint
    snippet = np.random.default_rng(0).normal(0, 0.1, 400).astype(np.float32)
    for encoder in encoders:
        for state in encoder.encode_each([snippet, snippet[:1], np.zeros(RATE, np.float32)]):
            assert bool(state.isfinite().all())


def test_the_store_keeps_them_whole(demo: Corpus, tmp_path: Path) -> None:
    corpus = Corpus(demo.clips[:2])
    encoders = FrozenEncoders.of(Recipe.load("baseline-compare-svm"))
    kept, _ = features_of(corpus, encoders, FeatureStore(tmp_path))
    values = theirs("compare", load_audio(demo.clips[1].audio))  # type: ignore[arg-type]
    # half precision has neither as large nor, with all its digits, as small ones
    assert np.abs(values).max() > 65504
    assert (np.abs(values[values != 0]) < 6e-5).any()
    np.testing.assert_array_equal(kept[1].by_modality["speech"].flatten().numpy(), values)


def test_a_long_recording_has_the_mean_of_its_pieces_functionals(
    demo: Corpus, speech_samples: np.ndarray, tmp_path: Path
) -> None:
    recipe = Recipe.load("baseline-egemaps-svm", ["training.temperature=false"])
    recognizer = train(Corpus(demo.clips[:24]), recipe, store=FeatureStore(tmp_path))
    long = np.concatenate([speech_samples, speech_samples[::-1]])[: 105 * RATE]
    pieces = [long[: 50 * RATE], long[50 * RATE :]]
    mean = np.mean([theirs("egemaps", piece) for piece in pieces], axis=0)
    vectors = {"speech": torch.from_numpy(mean)[None, None, None], "speech_mask": torch.ones(1, 1, dtype=torch.bool)}
    expected = recognizer.head(**vectors).logits.double().softmax(1)[0].tolist()
    corpus = Corpus([Clip("long", Waveform(long, RATE), label="anger")])
    (predicted,) = recognizer.predict(corpus)
    assert [*predicted.scores.values()] == pytest.approx(expected, abs=1e-5)
    (row,) = evaluate(recognizer, corpus, store=FeatureStore(tmp_path)).predictions
    assert [row[f"score_{label}"] for label in recognizer.labels] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_the_baselines_train_save_and_predict(name: str, demo: Corpus, tmp_path: Path) -> None:
    corpus, store = Corpus(demo.clips[::4]), FeatureStore(tmp_path / "store")
    train(corpus, Recipe.load(f"baseline-{name}-svm"), store=store).save_pretrained(tmp_path / "model")
    loaded = Recognizer.from_pretrained(tmp_path / "model")
    evaluation = evaluate(loaded, corpus, store=store)
    assert evaluation.results["accuracy"]["value"] > 0.6
    assert [one.label for one in loaded.predict(corpus)] == [row["predicted"] for row in evaluation.predictions]


def test_the_licence_is_told_when_they_are_first_used(demo: Corpus) -> None:
    done = emovoz("encoders", "--check", "egemaps")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("openSMILE, whose licence allows research") == 1
    assert "1 x 1 x 88" in done.stdout
    (row,) = [line.split() for line in emovoz("encoders").stdout.splitlines() if line.startswith("egemaps  ")]
    assert row == ["egemaps", "1", "x", "88", "0", "research", "any", "package"]


@pytest.mark.parametrize("setting", ["features.stride=2", "augmentation.crop_seconds=1"])
def test_what_needs_frames_is_refused(setting: str) -> None:
    with pytest.raises(InputError, match=r"(stride|crop_seconds) needs frames; egemaps gives one state a clip"):
        Recipe.load("baseline-egemaps-svm", [setting])
