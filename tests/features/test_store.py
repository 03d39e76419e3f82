"""The feature store: what is put in comes out, and damage is found."""

from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from emovoz import FeatureStore
from emovoz.features.store import stored

ENCODER = "a" * 32


def fill(store: FeatureStore, contents: dict[str, torch.Tensor], shard_bytes: int = 32_000_000) -> None:
    with store.writing(ENCODER, shard_bytes=shard_bytes) as writer:
        for key, features in contents.items():
            writer.add(key, dict(enumerate(features)))


def shards(store: FeatureStore) -> list[Path]:
    return sorted((store.root / ENCODER).glob("*.safetensors"))


def test_features_come_back_at_the_precision_of_the_store(tmp_path: Path) -> None:
    features = torch.randn(3, 20, 8)
    fill(FeatureStore(tmp_path), {"clip": features})
    read = FeatureStore(tmp_path).read(ENCODER, "clip", [2, 0])
    assert read.dtype == torch.float16
    torch.testing.assert_close(read, features[[2, 0]].half(), rtol=0, atol=0)


def test_values_beyond_float16_keep_their_layer_in_float32_and_no_other(tmp_path: Path) -> None:
    features = torch.full((2, 4, 3), 0.1)
    features[1, 0, 0] = 1e5
    fill(FeatureStore(tmp_path), {"clip": features})
    read = FeatureStore(tmp_path).read(ENCODER, "clip", [0, 1])
    assert float(read[1, 0, 0]) == 1e5
    assert float(read[0, 0, 0]) == float(torch.tensor(0.1).half())
    torch.testing.assert_close(read, stored(features), rtol=0, atol=0)


def test_missing_names_each_key_once_and_counts_layers(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, {"here": torch.randn(2, 5, 3)})
    assert store.missing(ENCODER, ["here", "new", "new"], [0, 1]) == ["new"]
    assert store.missing(ENCODER, ["here"], [1, 2]) == ["here"]
    assert store.absent_layers(ENCODER, "here", [0, 1, 2]) == [2]
    assert store.missing("b" * 32, ["here"], [0]) == ["here"]


def test_views_of_one_content_are_kept_apart(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with store.writing(ENCODER) as writer:
        writer.add("clip", {0: torch.zeros(2, 2)})
        writer.add("clip", {0: torch.ones(2, 2)}, view="faster")
    assert float(store.read(ENCODER, "clip", [0]).max()) == 0
    assert float(store.read(ENCODER, "clip", [0], view="faster").min()) == 1


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_a_damaged_shard_counts_as_not_there_and_is_replaced(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    contents = {f"clip{i}": torch.randn(1, 50, 8) for i in range(4)}
    fill(FeatureStore(tmp_path), contents, shard_bytes=500)
    store = FeatureStore(tmp_path)
    victim = shards(store)[0]
    with safe_open(victim, framework="pt") as file:
        (name,) = file.keys()
    data = bytearray(victim.read_bytes())
    data[-3] ^= 1
    victim.write_bytes({"flipped": bytes(data), "cut": bytes(data[:-20]), "emptied": b""}[damage])

    assert store.missing(ENCODER, contents, [0]) == [name.split(".")[0]]
    assert str(victim) in caplog.text
    fill(store, {key: contents[key] for key in store.missing(ENCODER, contents, [0])})
    assert FeatureStore(tmp_path).missing(ENCODER, contents, [0]) == []
    assert not victim.exists()


def test_shards_of_another_encoder_are_not_mistaken_for_ones_own(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, {"clip": torch.randn(1, 5, 3)})
    (tmp_path / ("b" * 32)).mkdir()
    shards(store)[0].rename(tmp_path / ("b" * 32) / "shard-0.safetensors")
    assert FeatureStore(tmp_path).missing("b" * 32, ["clip"], [0]) == ["clip"]


def test_what_a_killed_writer_left_is_cleared_away(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, {"clip": torch.randn(1, 5, 3)})
    leftover = tmp_path / ENCODER / ".shard-half.safetensors"
    leftover.write_bytes(b"half a shard")
    fill(store, {"other": torch.randn(1, 5, 3)})
    assert not leftover.exists()
    assert store.missing(ENCODER, ["clip", "other"], [0]) == []


def test_what_was_gathered_before_an_error_is_kept(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with suppress(RuntimeError), store.writing(ENCODER) as writer:
        writer.add("clip", {0: torch.zeros(2, 2)})
        raise RuntimeError
    assert FeatureStore(tmp_path).missing(ENCODER, ["clip"], [0]) == []
