"""`emovoz store`: what is kept, whether it is sound, what may go."""

import io
import json
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen
from typing import Any

import pytest
import torch

import helpers
from emovoz import FeatureStore, progress
from emovoz.cli import main

FIRST, SECOND = "ab" * 16, "ac" * 16


def emovoz(*arguments: str) -> CompletedProcess[str]:
    """The command line within this process, which spares a dozen starts of torch."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["emovoz", *arguments])
        patch.setattr(progress, "_shown", False)
        with pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(ended.value.code, int)
    return CompletedProcess(arguments, ended.value.code, out.getvalue(), err.getvalue())


def fill(folder: Path, fingerprint: str, model: str, keys: str, layers: tuple[int, ...] = (0,)) -> None:
    """A shard for each key."""
    with FeatureStore(folder).writing(fingerprint, model=model, shard_bytes=1) as writer:
        for key in keys:
            writer.add(key, {layer: torch.randn(10, 4) for layer in layers})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two encoders' features."""
    folder = tmp_path / "my store"
    fill(folder, FIRST, "whisper-base", "abc", (2, 4, 5, 6))
    fill(folder, SECOND, "multilingual-e5-small", "de")
    return folder


def damage(folder: Path, fingerprint: str) -> Path:
    shard = min((folder / fingerprint).glob("shard-*"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 4
    shard.write_bytes(data)
    return shard


def as_json(verb: str, folder: Path, *options: str) -> dict[str, Any]:
    return json.loads(emovoz("store", verb, "--store", str(folder), "--json", *options).stdout)


def test_list_tells_what_is_kept_of_each_encoder(store: Path) -> None:
    done = emovoz("store", "list", "--store", str(store))
    assert done.returncode == 0, done.stderr
    header, first, second, total = done.stdout.splitlines()
    assert header.split() == ["fingerprint", "encoder", "contents", "views", "layers", "MB", "last", "written"]
    assert first.split()[:7] == ["abababab", "whisper-base", "3", "clean", "2", "4-6", "0.0"]
    assert second.split()[:5] == ["acacacac", "multilingual-e5-small", "2", "clean", "0"]
    assert str(store) in total
    listed = as_json("list", store)
    assert [one["fingerprint"] for one in listed["encoders"]] == [FIRST, SECOND]
    assert listed["encoders"][0]["layers"] == [2, 4, 5, 6]
    assert listed["bytes"] == sum(path.stat().st_size for path in store.rglob("shard-*"))


def test_extract_names_the_encoder_for_the_list(tiny_bert: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,transcription\na,hola\nb,la casa\n")
    settings = ["--set", f"text.model={tiny_bert}", "--set", "text.layers=[1,2]"]
    command = ["extract", str(tmp_path / "m.csv"), "--recipe", "text", *settings, "--store", str(tmp_path / "store")]
    assert emovoz(*command).returncode == 0
    (listed,) = as_json("list", tmp_path / "store")["encoders"]
    assert (listed["models"], listed["contents"], listed["layers"]) == ([str(tiny_bert)], 2, [1, 2])


@pytest.mark.parametrize("verb", ["list", "verify", "prune"])
def test_a_store_that_is_empty_or_absent_is_no_fault(verb: str, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        done = emovoz("store", verb, "--store", str(folder))
        assert done.returncode == 0, done.stderr
        assert str(folder) in done.stdout
        assert len(done.stdout.splitlines()) == 1
    assert not (tmp_path / "absent").exists()


def test_verify_says_in_a_sentence_that_all_is_sound(store: Path) -> None:
    done = emovoz("store", "verify", "--store", str(store))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("all sound: 5 shards, 0.0 MB, in ")
    assert len(done.stdout.splitlines()) == 1


def test_verify_names_what_is_damaged_and_prune_removes_it(store: Path) -> None:
    shard = damage(store, FIRST)
    done = helpers.emovoz("store", "verify", "--store", str(store))
    assert done.returncode == 2
    assert f"{shard}: damaged file (its checksum differs)" in done.stdout
    assert f"emovoz store prune --store '{store}'" in done.stdout
    assert [found["path"] for found in as_json("verify", store)["damaged"]] == [str(shard)]

    kept = {path for path in store.rglob("shard-*") if path != shard}
    assert str(shard) in emovoz("store", "prune", "--store", str(store), "--dry-run").stdout
    assert shard.exists()
    done = emovoz("store", "prune", "--store", str(store))
    assert done.returncode == 0, done.stderr
    assert "deleted 1 file," in done.stdout
    assert set(store.rglob("shard-*")) == kept
    assert emovoz("store", "verify", "--store", str(store)).returncode == 0
    assert as_json("list", store)["encoders"][0]["contents"] == 2


def test_verify_finds_an_index_that_lies_and_prune_mends_it(store: Path) -> None:
    index = store / FIRST / "shards.index"
    data = bytearray(index.read_bytes())
    data[-1] ^= 1
    index.write_bytes(data)
    assert str(index) in emovoz("store", "verify", "--store", str(store)).stdout
    emovoz("store", "prune", "--store", str(store))
    assert emovoz("store", "verify", "--store", str(store)).returncode == 0
    assert index.exists()


def test_leftovers_are_told_and_pruned_and_strangers_stay(store: Path) -> None:
    leftover = store / FIRST / ".shard-00112233aabbccdd.safetensors"
    leftover.write_bytes(b"half")
    strangers = [store / "notes.txt", store / FIRST / "shard-mine.safetensors", store / "other" / "shard.safetensors"]
    (store / "other").mkdir()
    for path in strangers:
        path.write_text("mine")
    done = emovoz("store", "verify", "--store", str(store))
    assert done.returncode == 0
    assert f"{leftover}: unfinished" in done.stdout
    done = emovoz("store", "prune", "--store", str(store))
    assert not leftover.exists()
    assert all(path.exists() for path in strangers)
    for path in (*strangers[:2], store / "other"):
        assert f"{path}: not the store's, left alone" in done.stdout


@pytest.mark.parametrize("name", ["whisper-base", "aba", FIRST])
def test_prune_deletes_all_features_of_an_encoder_and_no_others(store: Path, name: str) -> None:
    damage(store, SECOND)
    would = as_json("prune", store, "--encoder", name, "--dry-run")
    assert len(list((store / FIRST).glob("shard-*"))) == 3
    done = as_json("prune", store, "--encoder", name)
    assert done["deleted"] == would["deleted"]
    assert {Path(found["path"]).parent.name for found in done["deleted"]} == {FIRST}
    assert [one["fingerprint"] for one in as_json("list", store)["encoders"]] == [SECOND]
    assert len(list((store / SECOND).glob("shard-*"))) == 2
    fill(store, FIRST, "whisper-base", "x")
    assert as_json("list", store)["encoders"][0]["contents"] == 1


def test_an_ambiguous_or_unknown_encoder_is_told_with_those_there(store: Path) -> None:
    done = emovoz("store", "prune", "--store", str(store), "--encoder", "a", "--encoder", "whisper-large")
    assert done.returncode == 2
    assert f"--encoder a: is several encoders; name one of {FIRST} (whisper-base), {SECOND}" in done.stderr
    assert "--encoder whisper-large: is no encoder of this store" in done.stderr
    assert len(list(store.rglob("shard-*"))) == 5


def test_a_folder_without_anything_to_prune_is_not_waited_for(store: Path) -> None:
    with FeatureStore(store).writing(FIRST) as writer:
        writer.add("z", {0: torch.zeros(1, 1)})
        damage(store, SECOND)
        assert "deleted 1 file," in emovoz("store", "prune", "--store", str(store)).stdout
    shutil.rmtree(store / SECOND)
    assert as_json("list", store)["encoders"][0]["contents"] == 4


def test_prune_waits_for_a_process_that_writes(store: Path) -> None:
    script = "from emovoz.cli import main; main()"
    command = [sys.executable, "-c", script, "store", "prune", "--store", str(store), "--encoder", FIRST]
    with FeatureStore(store).writing(FIRST):
        process = Popen(command, stdout=PIPE, stderr=PIPE, text=True)
        assert process.stderr
        assert "waiting for another process" in process.stderr.readline()
        assert len(list((store / FIRST).glob("shard-*"))) == 3
    out, _ = process.communicate(timeout=100)
    assert "deleted 4 files" in out
    assert not list((store / FIRST).glob("shard-*"))


def test_help_shows_the_verbs() -> None:
    assert "store" in emovoz("--help").stdout
    listed = emovoz("store", "--help").stdout
    assert all(verb in listed for verb in ("list", "verify", "prune"))
