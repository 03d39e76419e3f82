"""The consolidated index of a store: it saves time, and is never believed against the shards."""

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from emovoz import FeatureStore
from emovoz.features.index import INDEX, NOTHING, Index, as_entries, look, read_index, write_index

ENCODER = "a" * 32


def fill(store: FeatureStore, contents: dict[str, list[int]], view: str = "clean", shard_bytes: int = 1) -> None:
    """Contents with their layers, a shard each."""
    with store.writing(ENCODER, model="tiny", shard_bytes=shard_bytes) as writer:
        for key, layers in contents.items():
            writer.add(key, {layer: torch.full((2, 2), float(layer)) for layer in layers}, view)


def opened(folder: Path, caplog: pytest.LogCaptureFixture) -> set[str]:
    """The shards that a store opens just to know what there is: in a copy, each would be found unreadable."""
    copy = Path(tempfile.mkdtemp(dir=folder.parents[1])) / folder.name
    shutil.copytree(folder, copy)
    for shard in copy.glob("shard-*"):
        with shard.open("r+b") as file:
            file.write(b"\xff" * 8)
    caplog.clear()
    assert FeatureStore(copy.parent).missing(ENCODER, ["nothing"], [0]) == ["nothing"]
    return {shard.name for shard in copy.glob("shard-*") if shard.name in caplog.text}


def test_a_store_that_was_written_to_is_known_without_opening_a_shard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FeatureStore(tmp_path / "store")
    fill(store, {"a": [0], "b": [0]})
    fill(store, {"c": [0, 1]})
    assert opened(store.root / ENCODER, caplog) == set()
    assert FeatureStore(store.root).missing(ENCODER, ["a", "b", "c", "d"], [0]) == ["d"]
    assert FeatureStore(store.root).missing(ENCODER, ["a", "b", "c"], [0, 1]) == ["a", "b"]


def test_shards_it_does_not_know_are_read_once_and_lost_ones_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "here" / ENCODER
    fill(FeatureStore(tmp_path / "here"), {"a": [0], "b": [0]})
    fill(FeatureStore(tmp_path / "there"), {"c": [0]})
    (new,) = (tmp_path / "there" / ENCODER).glob("shard-*")
    new.rename(folder / new.name)
    gone = next(path for path in folder.glob("shard-*") if b"a.clean.0" in path.read_bytes())
    gone.unlink()
    assert opened(folder, caplog) == {new.name}
    assert FeatureStore(tmp_path / "here").missing(ENCODER, ["a", "b", "c"], [0]) == ["a"]
    assert opened(folder, caplog) == set()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def other_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"version":"1"', b'"version":"0"'))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_format(path: Path) -> None:
    path.write_text("{}")


@pytest.mark.parametrize("harm", [Path.unlink, cut, flip, empty, other_format, other_version])
def test_an_index_that_cannot_be_used_is_made_anew(
    tmp_path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "store" / ENCODER
    fill(FeatureStore(tmp_path / "store"), {"a": [0], "b": [0, 1]})
    harm(folder / INDEX)
    assert len(opened(folder, caplog)) == 2
    assert FeatureStore(tmp_path / "store").missing(ENCODER, ["a", "b"], [0, 1]) == ["a"]
    assert opened(folder, caplog) == set()


def lie(folder: Path, *claims: tuple[str, str, tuple[int, ...]]) -> None:
    """An index, sound in itself, that says the same of every shard."""
    write_index(folder, Index.of({shard: as_entries(claims) for shard in read_index(folder).shards}))


def test_an_index_that_claims_too_much_does_not_hide_what_is_missing(tmp_path: Path) -> None:
    fill(FeatureStore(tmp_path), {"a": [0]})
    lie(tmp_path / ENCODER, ("a", "clean", (0, 1)), ("ghost", "clean", (0,)))
    store = FeatureStore(tmp_path)
    assert store.missing(ENCODER, ["a", "ghost"], [0, 1]) == ["a", "ghost"]
    assert store.read(ENCODER, "a", [0]).shape == (1, 2, 2)
    with pytest.raises(KeyError):
        store.read(ENCODER, "ghost", [0])


def test_an_index_that_conceals_what_is_there_costs_no_second_encoding(tmp_path: Path) -> None:
    fill(FeatureStore(tmp_path), {"a": [0]})
    lie(tmp_path / ENCODER, ("other", "clean", (0,)))
    store = FeatureStore(tmp_path)
    assert store.read(ENCODER, "a", [0]).shape == (1, 2, 2)
    with FeatureStore(tmp_path).writing(ENCODER):
        assert FeatureStore(tmp_path).missing(ENCODER, ["other"], [0]) == ["other"]
    store = FeatureStore(tmp_path)
    with store.writing(ENCODER):
        assert store.missing(ENCODER, ["a"], [0]) == []
    assert FeatureStore(tmp_path).missing(ENCODER, ["a", "other"], [0]) == ["other"]
    assert read_index(tmp_path / ENCODER).entries(0) == as_entries([("a", "clean", (0,))])


def test_an_index_of_another_folder_says_nothing_here(tmp_path: Path) -> None:
    fill(FeatureStore(tmp_path / "here"), {"a": [0]})
    fill(FeatureStore(tmp_path / "there"), {"b": [0]})
    shutil.copy(tmp_path / "there" / ENCODER / INDEX, tmp_path / "here" / ENCODER / INDEX)
    assert FeatureStore(tmp_path / "here").missing(ENCODER, ["a", "b"], [0]) == ["b"]


def test_it_is_looked_for_and_not_made_where_there_is_no_store(tmp_path: Path) -> None:
    assert FeatureStore(tmp_path / "store").missing(ENCODER, ["a"], [0]) == ["a"]
    assert not (tmp_path / "store").exists()


def test_it_finds_what_a_plain_search_finds(tmp_path: Path) -> None:
    rng = random.Random(0)
    held: set[tuple[str, str, int]] = set()
    store = FeatureStore(tmp_path)
    for _ in range(6):
        view = rng.choice(["clean", "speed0.9", "noise"])
        contents = {f"{rng.randrange(25)}": rng.sample(range(5), rng.randint(1, 3)) for _ in range(10)}
        fill(store, contents, view, shard_bytes=rng.choice([1, 200]))
        held |= {(key, view, layer) for key, layers in contents.items() for layer in layers}
    keys = [f"{i}" for i in range(30)]
    for index in (FeatureStore(tmp_path), store):
        for view in ("clean", "speed0.9", "noise", "unknown"):
            for layers in ([0], [4, 1], [0, 1, 2]):
                expected = [key for key in keys if any((key, view, layer) not in held for layer in layers)]
                assert index.missing(ENCODER, keys, layers, view) == expected
            for key in keys:
                there = [layer for layer in range(6) if (key, view, layer) in held]
                assert index.absent_layers(ENCODER, key, range(6), view) == sorted(set(range(6)) - set(there))
                if there:
                    assert index.read(ENCODER, key, there, view)[:, 0, 0].tolist() == there
    assert len(read_index(tmp_path / ENCODER).shards) == len(look(tmp_path / ENCODER, NOTHING)[0].shards)
