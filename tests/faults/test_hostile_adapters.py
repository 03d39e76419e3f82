"""Adapters in a model's folder that were made to do harm: refused with a reason, and no code of theirs runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from emovoz import InputError, Recipe, Recognizer
from emovoz.features import FrozenEncoders
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.model.saved import untrained_layers
from emovoz.model.tuned import TunedHead
from exports import LABELS, tiny
from faults_tried import tally
from hostile import GIANT, pickle_that_writes, tensors
from local_hub import local_hub

FILE = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def adapted(tiny_whisper: Path, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with adapters in both encoders, without checksums: who changes a model can leave them out."""
    settings = [*tiny(tiny_whisper, tiny_bert)[:2], "speech.layers=last", "text.layers=last"]
    recipe = Recipe.load("default-gradient", [*settings, "speech.lora={last: 1}", "text.lora={last: 1}"])
    encoders = FrozenEncoders.of(recipe)
    head = EmotionHead(EmotionHeadConfig.of(recipe.model, encoders.shapes, LABELS))
    folder = tmp_path_factory.mktemp("adapted") / "model"
    Recognizer(TunedHead.around(head, untrained_layers(encoders)).eval(), encoders, recipe).save_pretrained(folder)
    (folder / "checksums.json").unlink()
    return folder


def of_other_shapes(adapter: Path) -> None:
    found = load_file(adapter / FILE)
    save_file({name: tensor[:, :1].clone() for name, tensor in found.items()}, adapter / FILE)


def of_no_numbers(adapter: Path) -> None:
    found = load_file(adapter / FILE)
    save_file({name: torch.full_like(tensor, torch.nan) for name, tensor in found.items()}, adapter / FILE)


def of_other_values(adapter: Path) -> None:
    found = load_file(adapter / FILE)
    save_file({name: tensor + 1 for name, tensor in found.items()}, adapter / FILE)


def pickled(adapter: Path) -> None:
    (adapter / FILE).unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle_that_writes(adapter / "ran"))


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "a giant tensor": (lambda adapter: (adapter / FILE).write_bytes(tensors({"a": GIANT})), "cannot be read"),
    "a giant header": (lambda adapter: (adapter / FILE).write_bytes(tensors({}, 2**62)), "cannot be read"),
    "nothing": (lambda adapter: (adapter / FILE).write_bytes(b""), "cannot be read"),
    "no file": (lambda adapter: (adapter / FILE).unlink(), "cannot be read"),
    "a pickle": (pickled, "cannot be read"),
    "other shapes": (of_other_shapes, "has shape"),
    "other values": (of_other_values, "not the adapters that were tuned with this head"),
    "no numbers": (of_no_numbers, "not finite"),
    "other tensors": (lambda adapter: (adapter / FILE).write_bytes(tensors({})), "is missing"),
}


@pytest.mark.parametrize("name", HARM)
def test_it_is_refused_with_a_reason(adapted: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(adapted, tmp_path / "model"))
    harm, reason = HARM[name]
    harm(folder / "text-adapter")
    with pytest.raises(InputError, match=reason):
        Recognizer.from_pretrained(folder)
    assert not list(folder.rglob("ran"))
    tally("model folders", injected=1, survived=1)


def test_what_its_configuration_asks_of_peft_is_never_read(adapted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(adapted, tmp_path / "model"))
    asked = {"auto_mapping": {"base_model_class": "Evil", "parent_library": "evil"}, "target_modules": "(a+)+$"}
    (folder / "text-adapter" / "adapter_config.json").write_text(json.dumps(asked))
    assert Recognizer.from_pretrained(folder).labels == tuple(LABELS)


def test_the_links_of_the_hubs_cache_are_followed_and_no_others(
    tmp_path: Path, adapted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what the variables HF_HUB_CACHE and HF_ENDPOINT say to a process that begins
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with local_hub("someone/model", {"main": adapted}, {}) as endpoint:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        files = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)
        # adapters lie in folders, which of an encoder's repository are left
        assert Recognizer.from_pretrained("someone/model").labels == tuple(LABELS)
    (snapshot,) = tmp_path.glob("hub/models--*/snapshots/*")
    assert (snapshot / "config.json").is_symlink()
    assert Recognizer.from_pretrained("someone/model").labels == tuple(LABELS)
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to(adapted / "config.json")
    with pytest.raises(InputError, match=r"config\.json: a link out of the model's folder"):
        Recognizer.from_pretrained(snapshot)
