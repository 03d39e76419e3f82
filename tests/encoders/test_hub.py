"""Encoders by hub id, fetched by the hub's real client from a small hub on this machine."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emovoz.encoders import load_speech_encoder, load_text_encoder
from helpers import emovoz
from local_hub import local_hub

CONVERSION = {3: "Adding `safetensors` variant of this model"}


@pytest.fixture
def pickled(tiny_whisper: Path, tmp_path: Path) -> Path:
    """The tiny Whisper as most published encoders are: its weights a pickle."""
    folder = tmp_path / "pickled"
    folder.mkdir()
    shutil.copy(tiny_whisper / "config.json", folder)
    torch.save(load_file(tiny_whisper / "model.safetensors"), folder / "pytorch_model.bin")
    return folder


@pytest.fixture
def own_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("EMOVOZ_CACHE", str(tmp_path / "cache"))


def check(endpoint: str, model: str = "someone/tiny-whisper") -> tuple[int, str]:
    os.environ["HF_ENDPOINT"] = endpoint
    try:
        done = emovoz("encoders", "--check", model)
    finally:
        del os.environ["HF_ENDPOINT"]
    return done.returncode, done.stdout + done.stderr


def weights_of(name: str) -> str:
    """What the table of encoders says of one."""
    rows = json.loads(emovoz("encoders", "--json").stdout)
    return str(next(row["weights"] for row in rows if row["encoder"] == name))


def in_cache(cache: Path, pattern: str) -> list[Path]:
    """Files of fetched repositories."""
    return list(cache.glob(f"models--*/snapshots/*/{pattern}"))


def is_fetched_once(tiny_whisper: Path, revisions: dict[str, Path], pull_requests: dict[int, str]) -> None:
    """The encoder is that of the directory, and serves again when the hub is gone."""
    with local_hub("someone/tiny-whisper", revisions, pull_requests) as endpoint:
        code, first = check(endpoint)
    assert code == 0, first
    assert load_speech_encoder(str(tiny_whisper)).fingerprint in first
    code, second = check(endpoint)
    assert code == 0, second


@pytest.mark.usefixtures("own_hub_cache")
def test_an_encoder_is_fetched_once_and_then_serves_offline(tiny_whisper: Path) -> None:
    is_fetched_once(tiny_whisper, {"main": tiny_whisper}, {})


@pytest.mark.usefixtures("own_hub_cache")
def test_where_the_weights_are_a_pickle_the_converted_ones_serve(tiny_whisper: Path, pickled: Path) -> None:
    is_fetched_once(tiny_whisper, {"main": pickled, "refs/pr/3": tiny_whisper}, CONVERSION)


@pytest.mark.usefixtures("own_hub_cache")
def test_a_pickle_that_nobody_has_converted_is_refused_with_what_to_do(pickled: Path) -> None:
    with local_hub("someone/tiny-whisper", {"main": pickled}, {1: "Add more examples"}) as endpoint:
        code, told = check(endpoint)
    assert code == 2
    assert "pickle" in told
    assert "convert" in told
    assert "Traceback" not in told


@pytest.mark.usefixtures("own_hub_cache")
def test_a_short_name_is_fetched_as_its_hub_id_and_keeps_its_prefix(tiny_bert: Path, tmp_path: Path) -> None:
    fingerprint = load_text_encoder(str(tiny_bert), prefix="query: ").fingerprint
    with local_hub("intfloat/multilingual-e5-base", {"main": tiny_bert}, {}) as endpoint:
        code, told = check(endpoint, "multilingual-e5-base")
    assert code == 0, told
    assert fingerprint in told
    # the directory that is told can be carried to a machine without a network
    (directory,) = {file.parent for file in in_cache(tmp_path / "hub", "*.safetensors")}
    assert f"directory: {directory}" in told
    assert weights_of("multilingual-e5-base") == "cached"
    code, told = check(endpoint, "intfloat/multilingual-e5-base")
    assert code == 0, told
    assert fingerprint in told


@pytest.mark.usefixtures("own_hub_cache")
def test_weights_that_are_there_twice_are_fetched_once(tiny_whisper: Path, tmp_path: Path) -> None:
    twice = shutil.copytree(tiny_whisper, tmp_path / "twice")
    shutil.copy(twice / "model.safetensors", twice / "model.fp32-00001-of-00002.safetensors")
    with local_hub("openai/whisper-large-v3", {"main": twice}, {}) as endpoint:
        code, told = check(endpoint, "whisper-large-v3")
    assert code == 0, told
    assert [file.name for file in in_cache(tmp_path / "hub", "*.safetensors")] == ["model.safetensors"]


@pytest.mark.usefixtures("own_hub_cache")
def test_a_download_that_broke_off_goes_on_when_the_hub_is_back(tiny_whisper: Path, tmp_path: Path) -> None:
    revisions = {"main": tiny_whisper}
    with local_hub("openai/whisper-tiny", revisions, {}) as endpoint:
        assert check(endpoint, "whisper-tiny")[0] == 0
    (weights,) = in_cache(tmp_path / "hub", "*.safetensors")
    weights.resolve().unlink()
    weights.unlink()
    assert weights_of("whisper-tiny") == "hub"
    code, told = check(endpoint, "whisper-tiny")
    assert code == 2
    assert "cannot be downloaded" in told
    assert "pickle" not in told
    with local_hub("openai/whisper-tiny", revisions, {}) as endpoint:
        code, told = check(endpoint, "whisper-tiny")
    assert code == 0, told
    assert len(in_cache(tmp_path / "hub", "*.safetensors")) == 1


@pytest.mark.usefixtures("own_hub_cache")
def test_where_nobody_answers_it_is_not_said_that_there_are_pickles_only(
    tiny_whisper: Path, pickled: Path, tmp_path: Path
) -> None:
    with local_hub("openai/whisper-tiny", {"main": pickled, "refs/pr/3": tiny_whisper}, CONVERSION) as endpoint:
        assert check(endpoint, "whisper-tiny")[0] == 0
    shutil.rmtree(tmp_path / "cache")  # where it was noted which revision serves
    code, told = check(endpoint, "whisper-tiny")
    assert code == 2
    assert "cannot be downloaded" in told
    assert "pickle" not in told
