"""The feature store: what is put in comes out, and damage is found."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from emovoz import FeatureStore, InputError
from emovoz.features.store import stored, stored_layer

ENCODER = "a" * 32


def fill(store: FeatureStore, contents: dict[str, torch.Tensor], shard_bytes: int = 32_000_000) -> None:
    with store.writing(ENCODER, shard_bytes=shard_bytes) as writer:
        for key, features in contents.items():
            writer.add(key, {i: stored_layer(layer) for i, layer in enumerate(features)})


def shards(store: FeatureStore) -> list[Path]:
    return sorted((store.root / ENCODER).glob("shard-*.safetensors"))


def flip(shard: Path) -> None:
    """Change one bit of the last values."""
    data = bytearray(shard.read_bytes())
    data[-3] ^= 1
    shard.write_bytes(data)


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


def test_any_single_flipped_bit_is_found(tmp_path: Path) -> None:
    with FeatureStore(tmp_path).writing(ENCODER, model="tiny") as writer:
        writer.add("clip", {0: torch.randn(2, 3)})
        writer.add("clap", {0: torch.randn(2, 3).half()})
    (shard,) = shards(FeatureStore(tmp_path))
    sound = shard.read_bytes()
    for i in range(len(sound)):
        data = bytearray(sound)
        data[i] ^= 1 << i % 8
        shard.write_bytes(data)
        assert FeatureStore(tmp_path).missing(ENCODER, ["clip"], [0]) == ["clip"], f"byte {i}"
    shard.write_bytes(sound)
    assert FeatureStore(tmp_path).missing(ENCODER, ["clip"], [0]) == []


def test_shards_of_another_encoder_are_not_mistaken_for_ones_own(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, {"clip": torch.randn(1, 5, 3)})
    (tmp_path / ("b" * 32)).mkdir()
    (shard,) = shards(store)
    shard.rename(tmp_path / ("b" * 32) / shard.name)
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


def test_features_are_written_as_they_are_given(tmp_path: Path) -> None:
    whole = torch.randn(2, 6, 4)
    store = FeatureStore(tmp_path)
    with store.writing(ENCODER) as writer:
        # slices of one tensor, which share its memory
        writer.add("exact", {0: whole[0, ::2], 1: whole[1, 1:4]})
        writer.add("halved", {0: whole[0].bfloat16()})
        whole.zero_()
    assert store.read(ENCODER, "exact", [0, 1]).dtype == torch.float32
    assert float(store.read(ENCODER, "exact", [0, 1]).abs().min()) > 0
    assert store.read(ENCODER, "halved", [0]).dtype == torch.bfloat16


def test_the_precision_of_the_store_is_a_choice() -> None:
    features = torch.tensor([[[1 / 3]], [[70000.0]]])
    assert stored(features[:1]).dtype == torch.float16
    assert stored(features).flatten().tolist() == [float(torch.tensor(1 / 3).half()), 70000.0]
    torch.testing.assert_close(stored(features, "float32"), features, rtol=0, atol=0)


def test_a_key_that_could_be_taken_for_another_is_refused(tmp_path: Path) -> None:
    with FeatureStore(tmp_path).writing(ENCODER) as writer, pytest.raises(ValueError, match="dot"):
        writer.add("clip.clean", {0: torch.zeros(1, 1)})


def test_only_shards_that_hold_what_is_asked_for_are_verified(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    contents = {f"clip{i}": torch.randn(1, 50, 8) for i in range(3)}
    fill(FeatureStore(tmp_path), contents, shard_bytes=500)
    victim = next(shard for shard in shards(FeatureStore(tmp_path)) if b"clip1" in shard.read_bytes())
    flip(victim)
    store = FeatureStore(tmp_path)
    assert store.missing(ENCODER, ["clip0", "clip2"], [0]) == []
    assert caplog.text == ""
    assert store.missing(ENCODER, contents, [0]) == ["clip1"]
    assert str(victim) in caplog.text


@pytest.mark.parametrize("loss", ["gone", "cut short", "gone after it was read", "cut short after it was read"])
def test_a_shard_lost_between_asking_and_reading_is_named_with_what_to_do(tmp_path: Path, loss: str) -> None:
    store = FeatureStore(tmp_path)
    fill(store, {"clip": torch.randn(1, 5000, 8)})
    assert store.missing(ENCODER, ["clip"], [0]) == []
    if "after" in loss:
        store.read(ENCODER, "clip", [0])
    (shard,) = shards(store)
    if "gone" in loss:
        shard.unlink()
    else:
        os.truncate(shard, 5000)
    with pytest.raises(InputError) as caught:
        store.read(ENCODER, "clip", [0])
    assert str(shard) in str(caught.value)
    assert "run the command again" in str(caught.value)
    assert FeatureStore(tmp_path).missing(ENCODER, ["clip"], [0]) == ["clip"]


def test_damage_first_met_in_reading_is_named(tmp_path: Path) -> None:
    fill(FeatureStore(tmp_path), {"clip": torch.randn(1, 50, 8)})
    (shard,) = shards(FeatureStore(tmp_path))
    flip(shard)
    with pytest.raises(InputError, match=shard.name):
        FeatureStore(tmp_path).read(ENCODER, "clip", [0])


def test_what_was_never_there_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        FeatureStore(tmp_path).read(ENCODER, "clip", [0])


def test_what_stands_in_two_shards_is_read_from_a_sound_one(tmp_path: Path) -> None:
    features = torch.randn(1, 50, 8).half()
    for folder in ("one", "two"):
        fill(FeatureStore(tmp_path / folder), {"clip": features})
    (first,), (second,) = (shards(FeatureStore(tmp_path / folder)) for folder in ("one", "two"))
    second.rename(first.with_name(second.name))
    store = FeatureStore(tmp_path / "one")
    assert store.missing(ENCODER, ["clip"], [0]) == []
    torch.testing.assert_close(store.read(ENCODER, "clip", [0]), features, rtol=0, atol=0)
    flip(first)
    torch.testing.assert_close(FeatureStore(tmp_path / "one").read(ENCODER, "clip", [0]), features, rtol=0, atol=0)


def test_layers_added_later_are_read_together_with_the_first(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    for layer in (3, 1):
        with store.writing(ENCODER) as writer:
            writer.add("clip", {layer: torch.full((2, 2), float(layer))})
    assert store.missing(ENCODER, ["clip"], [1, 3]) == []
    assert store.read(ENCODER, "clip", [1, 3])[:, 0, 0].tolist() == [1, 3]


def test_a_store_of_very_many_small_features_is_cut_into_shards_that_can_be_opened(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with store.writing(ENCODER) as writer:
        for i in range(20_001):
            writer.add(f"{i}", {0: torch.zeros(1, 1)})
    assert len(shards(store)) == 2
    assert store.missing(ENCODER, ["0", "20000", "20001"], [0]) == ["20001"]


def test_what_a_kill_left_goes_with_the_next_look_where_the_index_is_out_of_date_too(tmp_path: Path) -> None:
    fill(FeatureStore(tmp_path), {"clip": torch.ones(1, 2, 3)})
    folder = tmp_path / ENCODER
    (folder / "shards.index").unlink()
    (folder / ".shard-half.safetensors").write_bytes(b"half")
    assert FeatureStore(tmp_path).missing(ENCODER, ["clip"], [0]) == []
    assert not (folder / ".shard-half.safetensors").exists()
