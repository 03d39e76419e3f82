"""Weights that come in part, or not at all: a clear word, and nothing that was there is lost."""

import random
import shutil
from pathlib import Path

import pytest

from emovoz import InputError
from emovoz.encoders import load_speech_encoder, load_text_encoder
from faults_tried import how_many, tally
from helpers import emovoz
from local_hub import local_hub

CUTS = how_many(100, 10)
BROKEN_DOWNLOADS = how_many(8, 1)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_file_that_was_cut_off_is_told(file: str, tiny_bert: Path, tmp_path: Path) -> None:
    draw, survived = random.Random(f"cut {file}"), 0
    folder = shutil.copytree(tiny_bert, tmp_path / "encoder")
    whole = (folder / file).read_bytes()
    for _ in range(CUTS):
        (folder / file).write_bytes(whole[: draw.randrange(len(whole))])
        with pytest.raises(InputError) as caught:
            load_text_encoder(str(folder))
        assert str(folder) in str(caught.value)
        survived += 1
    (folder / file).write_bytes(whole)
    assert load_text_encoder(str(folder)).fingerprint == load_text_encoder(str(tiny_bert)).fingerprint
    tally("weights cut off", injected=CUTS, survived=survived)


def test_a_download_that_breaks_off_is_told_and_goes_on_later(
    tiny_whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (tiny_whisper / "model.safetensors").stat().st_size
    draw, wanted = random.Random("broken downloads"), load_speech_encoder(str(tiny_whisper)).fingerprint
    for number in range(BROKEN_DOWNLOADS):
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / f"hub{number}"))
        name, revisions = "someone/tiny-whisper", {"main": tiny_whisper}
        with local_hub(name, revisions, {}, breaks_off=draw.randrange(size)) as endpoint:
            monkeypatch.setenv("HF_ENDPOINT", endpoint)
            broken = emovoz("encoders", "--check", name)
        assert broken.returncode == 2, broken.stderr
        assert "cannot be downloaded" in broken.stderr
        assert "Traceback" not in broken.stderr
        with local_hub(name, revisions, {}) as endpoint:
            monkeypatch.setenv("HF_ENDPOINT", endpoint)
            whole = emovoz("encoders", "--check", name)
        assert whole.returncode == 0, whole.stderr
        assert wanted in whole.stdout
    tally("download that breaks off", injected=BROKEN_DOWNLOADS, survived=BROKEN_DOWNLOADS)
