"""Recognisers of words (`--asr DIR`) that are damaged or made to do harm: they hear, or are refused in a sentence."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ctranslate2.converters.transformers import WhisperLoader
from transformers import WhisperConfig, WhisperForConditionalGeneration

from faults_tried import how_many, tally
from helpers import emovoz
from one_by_one import told_of

MEGABYTES = 2500
SECONDS = 60.0


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper of random weights in CTranslate2's format, with the words of the packaged one."""
    from emovoz.transcription.models import directory_of

    packaged, folder = directory_of("whisper-base"), tmp_path_factory.mktemp("words")
    (vocabulary,) = packaged.glob("vocabulary.*")
    tokens = json.loads(vocabulary.read_text()) if vocabulary.suffix == ".json" else vocabulary.read_text().split("\n")
    torch.manual_seed(0)
    shape = WhisperConfig(
        d_model=16, vocab_size=len(tokens), encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16,
    )  # fmt: skip
    spec: Any = WhisperLoader().get_model_spec(WhisperForConditionalGeneration(shape).eval())
    spec.register_vocabulary(tokens)
    for name, value in json.loads((packaged / "config.json").read_text()).items():
        setattr(spec.config, name, value)
    spec.config.alignment_heads = [[0, 1]]
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    shutil.copy(packaged / "tokenizer.json", folder)
    return folder


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def config(**values: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return write


def spectrogram(**values: Any) -> Callable[[Path], None]:
    return written("preprocessor_config.json", json.dumps(values).encode())


def cut(folder: Path) -> None:
    whole = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(whole[: len(whole) // 2])


def giant(folder: Path) -> None:
    """Weights that tell of widths of two thousand millions."""
    whole = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(whole.replace((16).to_bytes(4, "little"), (2**31 - 1).to_bytes(4, "little")))


HARM: dict[str, Callable[[Path], None]] = {
    "no weights": written("model.bin", b""),
    "garbage": written("model.bin", random.Random(0).randbytes(10_000)),
    "half the weights": cut,
    "giant weights": giant,
    "a configuration that is none": written("config.json", b"\0{"),
    "a list as configuration": written("config.json", b"[]"),
    "a deep configuration": written("config.json", b"[" * 100_000),
    "heads beyond the last": config(alignment_heads=[[0, 2]]),
    "layers beyond the last": config(alignment_heads=[[99, 0]]),
    "heads before the first": config(alignment_heads=[[-1, -1]]),
    "heads that are none": config(alignment_heads="all"),
    "no heads": config(alignment_heads=[]),
    "tokens that are none": config(suppress_ids=[None]),
    "languages that are none": config(lang_ids={"es": "Spanish"}),
    "a tokenizer that is none": written("tokenizer.json", b"hello"),
    "a tokenizer without a model": written("tokenizer.json", b"{}"),
    "a vocabulary that is none": written("vocabulary.json", b"hello"),
    "a thousand million bands": spectrogram(feature_size=10**9),
    "bands of another model": spectrogram(feature_size=128),
    "steps of nothing": spectrogram(hop_length=0),
    "windows of a year": spectrogram(n_fft=10**12),
}


def test_it_is_refused_with_a_reason(words: Path, tmp_path: Path) -> None:
    folders = [Path(shutil.copytree(words, tmp_path / str(i))) for i in range(len(HARM))]
    for folder, harm in zip(folders, HARM.values(), strict=True):
        harm(folder)
    sound, *told = told_of("loading_words.py", [words, *folders], SECONDS)
    assert " heard " in sound
    wrong = {name: line for name, line in zip(HARM, told, strict=True) if " refused " not in line}
    assert wrong == {}
    assert max(int(line.split()[0]) for line in told) < MEGABYTES
    tally("recognisers of words", injected=len(HARM), survived=len(HARM))


def test_damaged_ones_hear_or_are_refused(words: Path, tmp_path: Path) -> None:
    rng = random.Random(0)

    def damaged() -> Iterator[Path]:
        for i in range(how_many(200, 20)):
            folder = Path(shutil.copytree(words, tmp_path / str(i)))
            path = folder / rng.choice(["model.bin", "model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
            content = bytearray(path.read_bytes())
            for _ in range(rng.choice((1, 3, 20))):
                at = rng.randrange(min(len(content), rng.choice((60, 3000, len(content)))))
                put_in = rng.choice((b"", b"9999999999", b"-1", b"null", b"[", b'"', rng.randbytes(3)))
                content[at : at + rng.choice((0, 1, 8))] = put_in
            path.write_bytes(content)
            yield folder

    told = list(told_of("loading_words.py", list(damaged()), SECONDS))
    wrong = [line for line in told if " heard " not in line and " refused " not in line]
    tally("recognisers of words", injected=len(told), survived=len(told) - len(wrong))
    assert wrong == []
    assert max(int(line.split()[0]) for line in told) < MEGABYTES


def test_the_command_line_says_it_in_a_sentence(words: Path, recordings: Path, few_clips: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(words, tmp_path / "words"))
    config(alignment_heads=[[99, 99]])(folder)
    done = emovoz(
        "transcribe", str(few_clips), "--audio-dir", "/", "--asr", str(folder), "--out", str(tmp_path / "out.csv")
    )
    assert done.returncode == 2
    assert "alignment_heads in config.json are no places in 1 layers of 2 heads" in done.stderr
    assert "Traceback" not in done.stderr
