"""The demo corpus: small, whole, and split so that nothing can be learned by heart."""

from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np

from emovoz import Corpus
from emovoz.corpus import load_audio

SPLITS = ("train", "dev", "test")


def test_it_has_192_clips_of_six_emotions_by_eight_voices(demo: Corpus) -> None:
    assert len(demo) == 192
    assert demo.labels == ("anger", "disgust", "fear", "joy", "neutral", "sadness")
    assert Counter(demo.values("speaker")) == {f"voice{i:02d}": 24 for i in range(1, 9)}
    assert Counter(demo.values("label")) == dict.fromkeys(demo.labels, 32)


def test_every_clip_says_something(demo: Corpus) -> None:
    assert all(words.strip() for words in demo.values("transcription"))


def test_splits_cover_the_corpus_and_share_no_voice_and_no_sentence(demo: Corpus) -> None:
    parts = [demo.split(name) for name in SPLITS]
    assert sum(len(part) for part in parts) == len(demo)
    for column in ("speaker", "transcription"):
        met: set[str] = set()
        for part in parts:
            values = set(part.values(column))
            assert not met & values
            met |= values


def test_every_split_has_every_emotion(demo: Corpus) -> None:
    for name in SPLITS:
        assert demo.split(name).labels == demo.labels


def test_the_whole_folder_stays_below_three_megabytes() -> None:
    folder = Path(str(files("emovoz.corpus"))) / "demo"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 3_000_000


def test_every_clip_decodes_without_clipping(demo: Corpus) -> None:
    for clip in demo:
        assert clip.audio is not None
        samples = load_audio(clip.audio)
        assert 0.5 < len(samples) / 16000 < 15, clip.id
        assert 0.01 < np.abs(samples).max() < 1, clip.id
