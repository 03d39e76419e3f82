"""Where a recogniser of words comes from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emovoz import Corpus, InputError
from emovoz.corpus import load_audio
from emovoz.encoders.packaged_whisper import SHA256
from emovoz.transcription import Transcriber
from emovoz.transcription.models import NEEDED, directory_of, packaged
from local_hub import local_hub

pytest.importorskip("faster_whisper", reason="the extra asr is not installed")

OFFLINE = """
import socket, sys
def refused(*_, **__):
    print("the network was asked", file=sys.stderr)
    raise OSError("no network")
socket.getaddrinfo = socket.socket.connect = refused
import numpy as np
from emovoz.transcription import Transcriber
print(repr(Transcriber.load()(np.zeros(16000, np.float32)).text))
"""


def test_the_packaged_one_asks_nothing_of_the_network() -> None:
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, timeout=400, check=True)
    assert done.stdout == "''\n"
    assert "network" not in done.stderr


def test_both_packagings_recognise_the_same(demo: Corpus) -> None:
    (clip,) = (clip for clip in demo if clip.id == "voice05_joy_2.ogg")
    assert clip.audio is not None
    samples = load_audio(clip.audio)
    one, other = (Transcriber.load(str(packaged(packages)), "es")(samples) for packages in SHA256)
    assert one.text == clip.transcription
    assert one == other


def located(name: str, endpoint: str, cache: Path) -> str:
    """The directory of a recogniser as another process finds it, or what it says instead."""
    program = "import sys; from emovoz.transcription.models import directory_of; print(directory_of(sys.argv[1]))"
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(cache)}
    command = [sys.executable, "-c", program, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=environment, check=False)
    return done.stdout.strip() or done.stderr


def test_one_of_the_hub_is_downloaded_once(tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).write_text(name)
    with local_hub("someone/words", {"main": folder}, {}) as endpoint:
        first = located("someone/words", endpoint, tmp_path / "hub")
    assert (Path(first) / "model.bin").read_text() == "model.bin"
    assert located("someone/words", endpoint, tmp_path / "hub") == first
    assert "cannot be downloaded" in located("someone/others", endpoint, tmp_path / "hub")


def test_what_is_no_recogniser_is_refused_with_what_to_do(tmp_path: Path, tiny_whisper: Path) -> None:
    with pytest.raises(InputError, match=r"no model.bin, tokenizer.json.*ct2-transformers-converter"):
        directory_of(str(tiny_whisper))
    with pytest.raises(InputError, match=r"no recogniser of words 'whisper-bse'.*did you mean 'whisper-base'"):
        directory_of("whisper-bse")
    for name in NEEDED:
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="cannot be loaded as a recogniser of words"):
        Transcriber.load(str(tmp_path))
