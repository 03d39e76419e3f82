"""Encoders by hub id, fetched by the hub's real client from a small hub on this machine."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emovoz.encoders import load_speech_encoder
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


def check(endpoint: str) -> tuple[int, str]:
    os.environ["HF_ENDPOINT"] = endpoint
    try:
        done = emovoz("encoders", "--check", "someone/tiny-whisper")
    finally:
        del os.environ["HF_ENDPOINT"]
    return done.returncode, done.stdout + done.stderr


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
