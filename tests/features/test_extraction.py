"""Extraction: each content once, nothing lost when killed, every fault told."""

import csv
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emovoz import Clip, Corpus, FeatureStore, InputError, Recipe, Waveform, extract
from emovoz.features import FrozenEncoders, StoredFeatures
from emovoz.features.keys import audio_key


@pytest.fixture(scope="module")
def tiny(tiny_whisper: Path, tiny_bert: Path) -> FrozenEncoders:
    return FrozenEncoders.of(
        Recipe.checked({"speech": {"model": str(tiny_whisper)}, "text": {"model": str(tiny_bert), "layers": [1, 2]}})
    )


def noise(seconds: float, seed: int = 0) -> Waveform:
    samples = np.random.default_rng(seed).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)
    return Waveform(samples, 16000)


def test_each_clip_has_the_features_its_encoders_give_it_alone(tiny: FrozenEncoders, tmp_path: Path) -> None:
    clips = [Clip(f"c{i}", noise(0.5 + i, i), transcription="la casa " * (i + 1)) for i in range(4)]
    store = FeatureStore(tmp_path)
    extract(Corpus(clips), tiny, store)
    for i, features in enumerate(StoredFeatures(Corpus(clips), tiny, store)):
        for name, branch in tiny.branches.items():
            alone = branch.encoder.encode_each([branch.read(branch.pieces(clips[i])[0])], branch.layers)[0]
            torch.testing.assert_close(features.by_modality[name].float(), alone, rtol=1e-3, atol=1e-3)


def test_a_second_run_has_nothing_to_do_and_equal_contents_count_once(tiny: FrozenEncoders, tmp_path: Path) -> None:
    corpus = Corpus([Clip(name, noise(1), transcription="hola") for name in "abc"])
    assert extract(corpus, tiny, FeatureStore(tmp_path)).encoded == {"speech": 1, "text": 1}
    assert extract(corpus, tiny, FeatureStore(tmp_path)).encoded == {"speech": 0, "text": 0}


def test_more_layers_add_only_what_is_missing(tiny_whisper: Path, tmp_path: Path) -> None:
    corpus = Corpus([Clip("a", noise(2))])
    sizes = []
    for layers in ([1], [0, 1, 2]):
        encoders = FrozenEncoders.of(Recipe.checked({"speech": {"model": str(tiny_whisper), "layers": layers}}))
        sizes.append(extract(corpus, encoders, FeatureStore(tmp_path)).stored_bytes)
    assert sizes == [100 * 32 * 2, 2 * 100 * 32 * 2]


def test_a_setting_that_changes_features_changes_the_key(tiny_bert: Path, tmp_path: Path) -> None:
    corpus = Corpus([Clip("a", transcription="la casa")])
    recipes = [Recipe.checked({"text": {"model": str(tiny_bert), "prefix": prefix}}) for prefix in ("", "no ")]
    encoders = [FrozenEncoders.of(recipe) for recipe in recipes]
    store = FeatureStore(tmp_path)
    assert [extract(corpus, one, store).encoded["text"] for one in encoders] == [1, 1]
    plain, prefixed = (StoredFeatures(corpus, one, store)[0].by_modality["text"] for one in encoders)
    assert plain.shape[1] + 1 == prefixed.shape[1]


def test_another_part_of_a_file_is_another_content(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(3).samples, 16000)
    whole = Clip("a", path)
    keys = {audio_key(whole), audio_key(replace(whole, start=1.0)), audio_key(replace(whole, start=1.0, end=2.0))}
    assert len(keys) == 3


def test_all_unusable_clips_are_told_at_once_and_the_others_are_kept(tiny: FrozenEncoders, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not audio")
    silent = Waveform(np.zeros(16000), 16000)
    text = Clip("text", tmp_path / "text.wav", place="row 4")
    corpus = Corpus([Clip("good", noise(1)), Clip("silent", silent), text])
    store = FeatureStore(tmp_path / "store")
    with pytest.raises(InputError) as caught:
        extract(corpus, tiny, store)
    assert sorted(fault.split(":")[0] for fault in caught.value.faults) == ["row 4", "silent"]
    assert extract(Corpus(corpus.clips[:1]), tiny, store).encoded["speech"] == 0


def test_equal_unusable_files_are_each_told_in_the_order_of_the_manifest(tiny: FrozenEncoders, tmp_path: Path) -> None:
    clips = []
    for i in range(3):
        (tmp_path / f"{i}.wav").write_bytes(b"")
        clips.append(Clip(f"{i}", tmp_path / f"{i}.wav", place=f"row {i}"))
    with pytest.raises(InputError) as caught:
        extract(Corpus(clips), tiny, FeatureStore(tmp_path / "store"))
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["row 0", "row 1", "row 2"]


def test_very_short_clips_are_encoded_and_refused_ones_stay_refused(tiny: FrozenEncoders, tmp_path: Path) -> None:
    short, too_short = Clip("short", noise(0.04)), Clip("too short", noise(0.01, 1))
    store = FeatureStore(tmp_path)
    for _ in range(2):
        with pytest.raises(InputError, match="too short: 10 ms"):
            extract(Corpus([short, too_short]), tiny, store)
    assert extract(Corpus([short]), tiny, store).encoded["speech"] == 0


def test_killed_again_and_again_it_still_ends_with_every_feature(tiny_whisper: Path, tmp_path: Path) -> None:
    names = [f"{i}.wav" for i in range(45)]
    for i, name in enumerate(names):
        soundfile.write(tmp_path / name, noise(8, i).samples, 16000)
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id"], *([name] for name in names)])
    script = (
        "import sys; from emovoz import Corpus, Recipe, extract; from emovoz.features import FrozenEncoders;"
        "from emovoz.features.store import FeatureStore as S; w = S.writing;"
        "S.writing = lambda self, fingerprint, **named: w(self, fingerprint, shard_bytes=100_000, **named);"
        f"c = Corpus.from_manifest({str(tmp_path / 'm.csv')!r}, {str(tmp_path)!r}, labels=False);"
        f"e = FrozenEncoders.of(Recipe.checked({{'speech': {{'model': {str(tiny_whisper)!r}}}}}));"
        f"extract(c, e, S({str(tmp_path / 'store')!r}))"
    )
    folder = tmp_path / "store"
    kills, seen = 0, 0
    while kills < 3:
        process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
        while process.poll() is None and len(list(folder.rglob("shard-*.safetensors"))) <= seen:
            pass
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        seen = len(list(folder.rglob("shard-*.safetensors")))
    assert kills >= 2, "the run was over before it could be killed twice"
    corpus = Corpus.from_manifest(tmp_path / "m.csv", tmp_path, labels=False)
    encoders = FrozenEncoders.of(Recipe.checked({"speech": {"model": str(tiny_whisper)}}))
    done = extract(corpus, encoders, FeatureStore(folder))
    assert done.encoded["speech"] < len(names), "nothing survived the kills"
    branch = encoders.branches["speech"]
    for clip, features in zip(corpus, StoredFeatures(corpus, encoders, FeatureStore(folder)), strict=True):
        alone = branch.encoder.encode_each([branch.read(branch.pieces(clip)[0])], branch.layers)[0]
        torch.testing.assert_close(features.by_modality["speech"].float(), alone, rtol=1e-3, atol=1e-3)
    assert not list(folder.rglob(".shard-*"))
