"""Every known encoder by a tiny stand-in of its family, through the verbs as a user calls them."""

import csv
import json
from pathlib import Path

import pytest

from emovoz import Corpus, Recognizer
from emovoz.cli import app
from emovoz.encoders import KNOWN
from emovoz.encoders.load import model_type
from tiny_encoders import speech_checkpoint, text_checkpoint, whisper_checkpoint

STAND_INS: dict[str, tuple[str, ...]] = {
    "Whisper": ("whisper-tiny", "whisper-base", "whisper-small", "whisper-medium", "whisper-large-v2"),
    "Whisper, 128 bands": ("whisper-large-v3", "whisper-large-v3-turbo"),
    "WavLM base": ("wavlm-base", "wavlm-base-plus"),
    "WavLM large": ("wavlm-large",),
    "XLS-R": ("xls-r-300m", "xls-r-1b", "wav2vec2-large-lv60"),
    "HuBERT large": ("hubert-large",),
    "data2vec-audio": ("data2vec-audio-base",),
    "w2v-BERT 2.0": ("w2v-bert-2.0",),
    "BERT": (
        *("bert-base-cased", "bert-base-uncased", "bert-large-cased", "bert-large-uncased"),
        *("beto", "beto-sentiment", "multilingual-e5-small"),
    ),
    "RoBERTa": ("roberta-large", "roberta-base-bne"),
    "XLM-RoBERTa": ("xlm-roberta-large-spanish", "multilingual-e5-base", "multilingual-e5-large"),
}
"""The known encoders that each checkpoint stands for: of the same class, with norms and bands in the same places."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, demo: Corpus) -> Path:
    """Eight short clips with two labels, beside their audio."""
    folder = tmp_path_factory.mktemp("clips")
    clips = [clip for clip in demo.clips if clip.label in ("anger", "sadness")][:40:5]
    for clip in clips:
        assert clip.audio is not None
        (folder / clip.id).symlink_to(str(clip.audio))
    with (folder / "clips.csv").open("w", newline="") as file:
        rows = [(clip.id, clip.label, f"qué alegría {'no' * (i % 2)}") for i, clip in enumerate(clips)]
        csv.writer(file).writerows([("id", "label", "transcription"), *rows])
    return folder / "clips.csv"


def stand_in(name: str, directory: Path) -> Path:
    """A checkpoint of this name in a folder."""
    known = KNOWN[STAND_INS[name][0]]
    if known.family == "whisper":
        whisper_checkpoint(directory, bands=128 if "128" in name else 80)
    else:
        (speech_checkpoint if known.modality == "speech" else text_checkpoint)(name, directory)
    return directory


def train(manifest: Path, folder: Path, recipe: str, *settings: str) -> Recognizer:
    """What `emovoz train` makes of the clips with these settings."""
    options = [option for setting in settings for option in ("--set", setting)]
    place = ["--audio-dir", str(manifest.parent), "--store", str(folder / "store"), "--out", str(folder / "model")]
    app(["train", str(manifest), "--recipe", recipe, "--dev", str(manifest), *place, *options], standalone_mode=False)
    return Recognizer.from_pretrained(str(folder / "model"))


def test_every_known_encoder_has_its_stand_in() -> None:
    standing = [name for names in STAND_INS.values() for name in names]
    assert sorted([*standing, "log-mel", "egemaps", "compare"]) == sorted(KNOWN)


@pytest.mark.parametrize("name", STAND_INS)
def test_each_family_is_extracted_trained_and_predicts_by_naming_a_directory(
    name: str, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = stand_in(name, tmp_path / "encoder")
    known = KNOWN[STAND_INS[name][0]]
    assert {KNOWN[one].family for one in STAND_INS[name]} == {model_type(directory)}
    modality = known.modality
    settings = (f"{modality}.model={directory}", f"{modality}.layers=all", "training.epochs=1")
    recognizer = train(manifest, tmp_path, modality, *settings)
    encoder = recognizer.encoders.branches[modality].encoder
    capsys.readouterr()
    app(["store", "list", "--store", str(tmp_path / "store"), "--json"], standalone_mode=False)
    (listed,) = json.loads(capsys.readouterr().out)["encoders"]
    assert listed["fingerprint"] == encoder.fingerprint
    assert listed["layers"] == list(range(encoder.layers))
    predicted = recognizer.predict(manifest, audio_dir=manifest.parent)
    assert [one.error for one in predicted] == [None] * 8
    assert [sum(one.scores.values()) for one in predicted] == pytest.approx([1.0] * 8)


@pytest.mark.parametrize(
    "settings",
    [
        ("model.fusion=pooled",),
        ("model.fusion=time", "model.standardise=false", "model.layer_mix=weighted", "model.pooling=attention"),
    ],
    ids=["pooled", "time"],
)
def test_speech_and_text_of_different_widths_train_together(
    settings: tuple[str, ...], manifest: Path, tmp_path: Path
) -> None:
    speech, text = tmp_path / "speech", tmp_path / "text"
    speech_checkpoint("WavLM base", speech)
    text_checkpoint("BERT", text, hidden_size=48)
    models = (f"speech.model={speech}", f"text.model={text}", "speech.layers=[1, 3]", "text.layers=[2]")
    recognizer = train(manifest, tmp_path, "default-gradient", *models, *settings, "training.epochs=2")
    assert {name: branch.shape for name, branch in recognizer.encoders.branches.items()} == {
        "speech": (2, 32),
        "text": (1, 48),
    }
    heard_and_read = recognizer.predict(manifest, audio_dir=manifest.parent)
    assert {one.modalities for one in heard_and_read} == {("speech", "text")}
    assert all(one.error is None for one in heard_and_read)
