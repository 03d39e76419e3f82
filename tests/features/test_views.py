"""Views: altered copies of a clip that depend on nothing but it and their settings, encoded once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Waveform, extract
from emovoz.corpus import load_audio
from emovoz.features import FrozenEncoders, View, features_of, features_of_views, views_of
from emovoz.features.keys import audio_key
from emovoz.settings import Augmentation
from sounds import noise, rms

ALL: dict[str, Any] = {"views": 2, "speed": {}, "tempo": {}, "noise": {}, "gain": {}}
RATE = 16000


def views(**settings: Any) -> tuple[View, ...]:
    return views_of(Augmentation.model_validate({"views": 1, **settings}))


@pytest.fixture(scope="module")
def speech(demo: Corpus) -> Corpus:
    """Four clips of real length, and one of a tenth of a second."""
    short = Clip("short", Waveform(noise(0.1).astype(np.float32), RATE))
    return Corpus([*demo.clips[:4], short])


@pytest.fixture
def encoders_of(tiny_whisper: Path, tiny_bert: Path) -> Callable[..., FrozenEncoders]:
    def make(**features: Any) -> FrozenEncoders:
        sections = {"speech": {"model": str(tiny_whisper)}, "text": {"model": str(tiny_bert)}}
        return FrozenEncoders.of(Recipe.checked({**sections, "features": features}))

    return make


@pytest.fixture
def encoders(encoders_of: Callable[..., FrozenEncoders]) -> FrozenEncoders:
    return encoders_of()


def samples_of(clip: Clip) -> np.ndarray:
    assert clip.audio is not None
    return load_audio(clip.audio)


def test_a_view_has_the_same_bits_again_and_others_differ(speech: Corpus) -> None:
    clip = samples_of(speech.clips[0])
    made = [
        view.of(clip, RATE, key)
        for seed in (0, 1)
        for view in views(**{**ALL, "seed": seed})
        for key in ("this clip", "that clip")
    ]
    again = [view.of(clip, RATE, key) for view in views(**ALL) for key in ("this clip", "that clip")]
    assert all(np.array_equal(one, other) for one, other in zip(made, again, strict=False))
    assert len({one.tobytes() for one in made}) == 8


def test_any_clip_becomes_finite_samples_of_the_length_foretold(speech: Corpus) -> None:
    everything = {**ALL, "views": 6, "reverb": {}}
    for clip in [*map(samples_of, speech), noise(0.025).astype(np.float32), np.zeros(RATE, np.float32)]:
        for view in views(**everything):
            made = view.of(clip, RATE, "k")
            assert made.dtype == np.float32
            assert np.isfinite(made).all()
            assert len(made) / RATE == pytest.approx(view.seconds(len(clip) / RATE, "k"), abs=2 / RATE)
            assert len(made) >= 0.025 * RATE


def test_effects_come_as_often_as_asked_and_never_none_of_them() -> None:
    (view,) = views(speed={"probability": 0.3, "factors": [0.5]}, gain={"probability": 0.6, "db": [20, 20]})
    clip = noise(0.1).astype(np.float32)
    kinds = []
    for i in range(600):
        made = view.of(clip, RATE, f"clip {i}")
        kinds.append((len(made) > 2000, rms(made) > 5 * rms(clip)))
    shares = {kind: kinds.count(kind) / 600 for kind in {(False, True), (True, False), (True, True), (False, False)}}
    # in 0.7 x 0.4 of all clips chance takes neither, and then speed in a third and gain in two thirds
    assert shares[False, False] == 0
    assert shares[True, True] == pytest.approx(0.18, abs=0.05)
    assert shares[True, False] == pytest.approx(0.12 + 0.28 / 3, abs=0.05)
    assert shares[False, True] == pytest.approx(0.42 + 0.28 * 2 / 3, abs=0.05)


def test_the_noise_of_a_view_has_a_ratio_in_the_range_of_its_kind(tmp_path: Path, speech: Corpus) -> None:
    for kind in ("noise", "music"):
        (tmp_path / kind).mkdir()
        soundfile.write(tmp_path / kind / "a.wav", noise(0.3), RATE)
    ranges = {"noise": (15, 16), "music": (3, 4)}
    (view,) = views(noise={"probability": 1, "source": str(tmp_path), "snr_db": ranges})
    clip = samples_of(speech.clips[0])
    ratios = [20 * np.log10(rms(clip) / rms(view.of(clip, RATE, f"{i}") - clip)) for i in range(30)]
    assert all(15 <= ratio <= 16.001 or 3 <= ratio <= 4.001 for ratio in ratios)
    assert 8 <= sum(ratio < 10 for ratio in ratios) <= 22


def test_a_waveform_crop_is_a_random_stretch_of_the_clip_and_repeats_it_only_if_asked() -> None:
    ramp = np.arange(RATE, dtype=np.float32)
    crops = [views(crop="waveform", crop_seconds=0.25)[0].of(ramp, RATE, f"{i}") for i in range(200)]
    assert {len(crop) for crop in crops} == {RATE // 4}
    assert all(np.array_equal(crop, crop[0] + np.arange(RATE // 4)) for crop in crops)
    assert min(crop[0] for crop in crops) < 0.1 * RATE
    assert max(crop[-1] for crop in crops) > 0.9 * RATE
    short = ramp[:3000]
    assert np.array_equal(views(crop="waveform", crop_seconds=0.25)[0].of(short, RATE, "k"), short)
    repeated = views(crop="waveform", crop_seconds=0.25, padding="repeat")[0].of(short, RATE, "k")
    assert np.array_equal(repeated, np.concatenate([short, short[:1000]]))


def test_a_crop_may_have_effects_too() -> None:
    (view,) = views(crop="waveform", crop_seconds=0.25, gain={"probability": 1, "db": [6, 6]})
    crop = view.of(np.ones(RATE, np.float32), RATE, "k")
    assert len(crop) == RATE // 4
    assert crop == pytest.approx(10 ** (6 / 20))


def test_the_features_of_a_view_are_those_of_its_samples(
    speech: Corpus, encoders: FrozenEncoders, tmp_path: Path
) -> None:
    store, chosen = FeatureStore(tmp_path), views(**ALL)
    clean, done = features_of(speech, encoders, store, views=chosen)
    assert done.encoded == {"speech": 5, "text": 4, "views": 10}
    encoder = encoders.branches["speech"].encoder
    for view, altered in zip(chosen, features_of_views(speech, encoders, store, chosen), strict=True):
        for clip, features, plain in zip(speech, altered, clean, strict=True):
            alone = encoder.encode_each([view.of(samples_of(clip), RATE, audio_key(clip))])[0]
            torch.testing.assert_close(features.by_modality["speech"].float(), alone, rtol=1e-3, atol=1e-3)
            assert not torch.equal(features.by_modality["speech"], plain.by_modality["speech"])
            if clip.transcription:
                assert torch.equal(features.by_modality["text"], plain.by_modality["text"])


def test_a_view_does_not_depend_on_the_other_clips_and_their_order(
    speech: Corpus, encoders: FrozenEncoders, tmp_path: Path
) -> None:
    found = []
    for name, corpus in {"all": speech, "one": Corpus([speech.clips[2]])}.items():
        store, chosen = FeatureStore(tmp_path / name), views(**ALL)
        features_of(corpus, encoders, store, views=chosen)
        found.append(features_of_views(corpus, encoders, store, chosen)[1][-3 if name == "all" else 0])
    for name in ("speech", "text"):
        one, other = (features.by_modality[name] for features in found)
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_a_second_run_encodes_nothing_and_more_views_only_what_is_new(
    speech: Corpus, encoders: FrozenEncoders, tmp_path: Path
) -> None:
    def new(**settings: Any) -> int:
        return extract(speech, encoders, FeatureStore(tmp_path), views=views(**settings)).encoded["views"]

    assert [new(**ALL), new(**ALL), new(**{**ALL, "views": 3})] == [10, 0, 5]
    # what is shown how often is no matter of the views, what is done to them is
    assert new(**ALL, probability=0.9) == 0
    assert [new(**{**ALL, "gain": {"db": [-3, 3]}}), new(**ALL, seed=1)] == [10, 10]


def test_another_noise_file_makes_other_views_and_another_name_does_not(tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()

    def name() -> str:
        return views(noise={"source": str(tmp_path)})[0].name

    soundfile.write(tmp_path / "noise" / "a.wav", noise(0.2), RATE)
    first = name()
    (tmp_path / "noise" / "a.wav").rename(tmp_path / "noise" / "b.wav")
    assert name() == first
    soundfile.write(tmp_path / "noise" / "c.wav", 0.5 * noise(0.3), RATE)
    assert name() != first


def test_views_keep_stride_and_precision_apart_as_clips_do(
    speech: Corpus, encoders_of: Callable[..., FrozenEncoders], tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path)
    plain, means = encoders_of(), encoders_of(stride=3, precision="float32")
    for encoders in (plain, means):
        assert extract(speech, encoders, store, views=views(**ALL)).encoded["views"] == 10
    one, other = (features_of_views(speech, encoders, store, views(**ALL))[0][0] for encoders in (plain, means))
    assert other.by_modality["speech"].shape[1] == -(-one.by_modality["speech"].shape[1] // 3)
    assert other.by_modality["speech"].dtype == torch.float32


def test_without_a_store_views_are_encoded_when_asked_for_and_are_the_same(
    speech: Corpus, encoders_of: Callable[..., FrozenEncoders], tmp_path: Path
) -> None:
    store, kept, fresh = FeatureStore(tmp_path / "store"), encoders_of(), encoders_of(cache=False)
    features_of(speech, kept, store, views=views(**ALL))
    features_of(speech, fresh, FeatureStore(tmp_path / "none"), views=views(**ALL))
    for number in (0, 1):
        stored = features_of_views(speech, kept, store, views(**ALL))[number]
        encoded = features_of_views(speech, fresh, FeatureStore(tmp_path / "none"), views(**ALL))[number]
        for one, other in zip(stored, encoded, strict=True):
            torch.testing.assert_close(one.by_modality["speech"], other.by_modality["speech"], rtol=1e-3, atol=1e-3)
    assert not (tmp_path / "none").exists()


def test_long_recordings_are_shown_as_they_are(
    encoders_of: Callable[..., FrozenEncoders], tmp_path: Path, shown: Callable[[], str]
) -> None:
    corpus = Corpus(
        [Clip("long", Waveform(noise(130).astype(np.float32), RATE)), Clip("short", Waveform(noise(1), RATE))]
    )
    store, encoders = FeatureStore(tmp_path), encoders_of()
    clean, done = features_of(corpus, encoders, store, views=views(**ALL))
    assert done.encoded["views"] == 2
    assert shown().count("long recordings have no views (1 here)") == 1
    for kept in (encoders, encoders_of(cache=False)):
        altered = features_of_views(corpus, kept, store, views(**ALL))[0]
        long = altered[0].by_modality["speech"]
        torch.testing.assert_close(long, clean[0].by_modality["speech"], rtol=1e-3, atol=1e-3)
        assert not torch.equal(altered[1].by_modality["speech"], clean[1].by_modality["speech"])


def test_the_size_told_before_counts_the_views(
    speech: Corpus, encoders: FrozenEncoders, tmp_path: Path, shown: Callable[[], str]
) -> None:
    done = extract(speech, encoders, FeatureStore(tmp_path), views=views(**{**ALL, "views": 4}))
    told = next(line for line in shown().splitlines() if line.startswith("to encode"))
    assert told.startswith("to encode: 5 speech, 4 text, 20 views; about ")
    assert float(told.split("about ")[1].split()[0]) == pytest.approx(done.stored_bytes / 1e6, rel=0.1)


def test_the_audio_that_was_encoded_is_as_long_as_the_views_are(encoders: FrozenEncoders, tmp_path: Path) -> None:
    corpus = Corpus([Clip(f"{i}", Waveform(noise(0.1 + i / 100).astype(np.float32), RATE)) for i in range(3)])
    chosen = views(views=2, crop="waveform", crop_seconds=1.5, padding="repeat")
    done = extract(corpus, encoders, FeatureStore(tmp_path), views=chosen)
    assert done.audio_seconds == pytest.approx(0.1 + 0.11 + 0.12 + 2 * 3 * 1.5, abs=1e-3)


def test_a_clip_that_cannot_be_used_is_told_once_and_a_broken_noise_file_by_its_own_name(
    encoders: FrozenEncoders, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    corpus = Corpus([Clip("good", Waveform(noise(1), RATE)), Clip("bad", tmp_path / "bad.wav")])
    with pytest.raises(InputError) as caught:
        extract(corpus, encoders, FeatureStore(tmp_path / "store"), views=views(**ALL))
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["bad"]
    noises = tmp_path / "noises"
    (noises / "noise").mkdir(parents=True)
    broken = noises / "noise" / "broken.flac"
    soundfile.write(broken, noise(3), RATE)
    broken.write_bytes(broken.read_bytes()[:20_000])
    with pytest.raises(InputError, match=r"augmentation\.noise\.source: .*broken\.flac: truncated"):
        extract(
            Corpus(corpus.clips[:1]),
            encoders,
            FeatureStore(tmp_path / "store"),
            views=views(noise={"probability": 1, "source": str(noises)}),
        )


@pytest.mark.parametrize(("effect", "package"), [("tempo", "audiomentations"), ("reverb", "pyroomacoustics")])
def test_a_package_that_is_not_there_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, effect: str, package: str
) -> None:
    monkeypatch.setattr("emovoz.features.views.find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"augmentation\.{effect} .*{package}: pip install 'emovoz\[augment\]'"):
        views(**{effect: {}})
    with pytest.raises(InputError) as caught:
        views(tempo={}, reverb={}, noise={"source": "nowhere"})
    assert len(caught.value.faults) == 3
    assert views(speed={}, noise={}, gain={})
