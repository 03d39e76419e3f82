"""A store, a corpus and a model on a real S3 server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emovoz import Corpus, InputError, Recipe, train
from emovoz.features import FeatureStore, FrozenEncoders, features_of
from emovoz.remote import listing, read, write
from emovoz.scale.encoding import extract_on_ray
from emovoz.scale.object_store import MirroredStore, ObjectStore
from helpers import emovoz, write_manifest
from ray_runs import locally, repeated, tensors


@pytest.fixture(scope="module")
def near(demo: Corpus) -> Corpus:
    """The clips, on this machine."""
    return Corpus([*demo.split("train").clips[:24], *demo.split("test").clips[:6]])


@pytest.fixture(scope="module")
def far(near: Corpus, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The same: manifest and audio on S3."""
    rows = [{"id": clip.id, "label": clip.label or "", "transcription": clip.transcription or ""} for clip in near]
    manifest = write_manifest(tmp_path_factory.mktemp("far") / "corpus.csv", rows)
    write(f"{bucket}/far/corpus.csv", manifest.read_bytes())
    for clip in near:
        assert isinstance(clip.audio, Path)
        write(f"{bucket}/far/audio/{clip.id}", clip.audio.read_bytes())
    return Corpus.from_manifest(f"{bucket}/far/corpus.csv", f"{bucket}/far/audio")


@pytest.fixture(scope="module")
def filled(far: Corpus, tiny_recipe: Recipe, bucket: str, ray_address: str) -> str:
    """A store on S3 that Ray has filled."""
    url = f"{bucket}/store"
    done = extract_on_ray(far, tiny_recipe, ObjectStore(url), workers=1)
    assert done.encoded == {"speech": len(far), "text": len({clip.transcription for clip in far})}
    return url


@pytest.fixture(scope="module")
def local(near: Corpus, tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """What one process makes of the files here."""
    return locally(near, tiny_recipe, tmp_path_factory.mktemp("local"))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As on a machine that has copied nothing yet."""
    monkeypatch.setenv("EMOVOZ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_lies_on_s3_is_what_one_process_makes_of_files_here(
    far: Corpus, filled: str, local: FeatureStore, tiny_recipe: Recipe, own_cache: Path
) -> None:
    mirror = MirroredStore(filled)
    features, extraction = features_of(far, FrozenEncoders.of(tiny_recipe), mirror)
    assert not any(extraction.encoded.values())
    assert len(features) == len(far)
    assert tensors(mirror.root) == tensors(local.root)
    assert repeated(mirror.root) == []


def test_nothing_that_is_there_is_encoded_again(
    far: Corpus, filled: str, tiny_recipe: Recipe, ray_address: str, own_cache: Path
) -> None:
    done = extract_on_ray(far, tiny_recipe, ObjectStore(filled), workers=1)
    assert (done.encoded, done.stored_bytes) == ({"speech": 0, "text": 0}, 0)


def test_a_model_is_trained_from_a_store_on_s3(
    near: Corpus, filled: str, tiny_recipe: Recipe, own_cache: Path, tmp_path: Path
) -> None:
    assert tiny_recipe.speech is not None
    recipe = Recipe.load("baseline-logreg", [f"speech.model={tiny_recipe.speech.model}", "speech.layers=all"])
    from_s3 = train(near, recipe, store=MirroredStore(filled))
    from_here = train(near, recipe, store=FeatureStore(tmp_path / "local"))
    heard = near.select(range(3))
    assert [one.scores for one in from_s3.predict(heard)] == [one.scores for one in from_here.predict(heard)]


def test_a_damaged_object_is_named_and_never_used(
    far: Corpus,
    filled: str,
    local: FeatureStore,
    tiny_recipe: Recipe,
    own_cache: Path,
    bucket: str,
    shown: Callable[[], str],
) -> None:
    damaged = f"{bucket}/damaged"
    objects = {name: read(file.url) for name, file in listing(filled).items()}
    victim = max(objects, key=lambda name: len(objects[name]))
    flipped = bytearray(objects[victim])
    flipped[-100] ^= 1
    for name, content in objects.items():
        write(f"{damaged}/{name}", bytes(flipped) if name == victim else content)
    mirror = MirroredStore(damaged)
    features, extraction = features_of(far, FrozenEncoders.of(tiny_recipe), mirror)
    assert extraction.encoded["speech"] == len(far)
    assert len(features) == len(far)
    assert f"{damaged}/{victim}: damaged file (its checksum differs)" in shown()
    assert tensors(mirror.root) == tensors(local.root)


def test_an_object_whose_header_is_damaged_counts_as_absent(bucket: str, shown: Callable[[], str]) -> None:
    store = ObjectStore(f"{bucket}/cut")
    write(f"{bucket}/cut/{'0' * 32}/shard-{'0' * 16}.safetensors", b"\x10\0\0\0\0\0\0\0{}")
    assert store.missing("0" * 32, ["key"], [0]) == ["key"]
    assert "shard-0000000000000000.safetensors: damaged file" in shown()


def test_what_cannot_be_reached_is_told(bucket: str) -> None:
    with pytest.raises(InputError, match=r"s3://absent/corpus\.csv: no such file, folder or bucket"):
        Corpus.from_manifest("s3://absent/corpus.csv")
    with pytest.raises(InputError, match="pip install 'gcsfs'"):
        Corpus.from_manifest("gs://bucket/corpus.csv")
    done = emovoz("extract", f"{bucket}/far/corpus.csv", "--store", f"{bucket}/store", "--recipe", "text")
    assert (done.returncode, done.stderr) == (
        2,
        f"{bucket}/store: a store at a URL is filled by --engine ray (--workers 1 where one process is enough)\n",
    )


def test_missing_remote_audio_is_told_with_its_row(bucket: str) -> None:
    write(f"{bucket}/gone/corpus.csv", b"id,label\nabsent.wav,joy\n")
    write(f"{bucket}/gone/other.wav", b"")
    with pytest.raises(
        InputError, match=f"{bucket}/gone/corpus.csv: row 2: audio file not found: {bucket}/gone/absent.wav"
    ):
        Corpus.from_manifest(f"{bucket}/gone/corpus.csv", f"{bucket}/gone")
