"""Model folders made to do harm: refused with a reason, or harmless; no code of theirs runs, and memory stays small."""

import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from emovoz import InputError, Recognizer
from emovoz.encoders import load_speech_encoder, load_text_encoder
from exports import recognizer_of
from faults_tried import how_many, tally
from hostile import GIANT, pickle_that_writes, tensors
from one_by_one import told_of

MEGABYTES = 2500
SECONDS = 120.0
"""For a folder, and before the first for the libraries, on a machine that others keep busy."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that loads at once: its speech is a plain spectrogram."""
    folder = tmp_path_factory.mktemp("plain") / "model"
    recognizer_of("spectrogram").save_pretrained(folder)
    return folder


def deep(folder: Path) -> None:
    (folder / "recognizer.json").write_text("[" * 100_000 + "]" * 100_000)


def no_object(folder: Path) -> None:
    (folder / "recognizer.json").write_text('{"format": 1}')


def code_in_yaml(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(f"speech: !!python/object/apply:os.system [touch {folder / 'ran'}]\n")


def laughs(folder: Path) -> None:
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (folder / "recipe.yaml").write_text("\n".join(lines))


def path_in_recipe(folder: Path) -> None:
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    recipe["speech"]["model"] = "../../../../etc"
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))


def _config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def other_code(folder: Path) -> None:
    _config(folder, auto_map={"AutoModel": "evil.Model", "AutoConfig": "evil.Config"})
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")


def wide(folder: Path) -> None:
    _config(folder, hidden_layers=2, hidden_width=10**6)


def endless(folder: Path) -> None:
    _config(folder, hidden_layers=10**6)


def weights(header: object, length: int | None = None) -> Callable[[Path], None]:
    """Weights whose file begins like this."""

    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(tensors(header, length))

    return write


def pickles_alone(folder: Path) -> None:
    pickled(folder)
    (folder / "model.safetensors").unlink()


def pickled(folder: Path) -> None:
    for name in ("pytorch_model.bin", "training_args.bin", "model.pkl", "optimizer.pt", "adapter_model.bin"):
        (folder / name).write_bytes(pickle_that_writes(folder / "ran"))


def linked(name: str, there: str | None = None) -> Callable[[Path], None]:
    """A model whose file lies elsewhere, sound, or which is a link to that."""

    def link(folder: Path) -> None:
        outside = folder.with_name(f"{folder.name}-outside")
        outside.mkdir()
        (folder / name).replace(outside / name)
        (folder / name).symlink_to(there or outside / name)

    return link


def link_to_a_folder(folder: Path) -> None:
    (folder / "more").symlink_to("/etc")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "checksums.json")


def nothing_in_it(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(b"")


HARM: dict[str, Callable[[Path], None]] = {
    "deep JSON": deep,
    "a card without its parts": no_object,
    "code in YAML": code_in_yaml,
    "a billion laughs": laughs,
    "a path in the recipe": path_in_recipe,
    "code of its own": other_code,
    "giant layers": wide,
    "a million layers": endless,
    "a giant tensor": weights({"head.weight": GIANT}),
    "a giant header": weights({}, 2**62),
    "a header that ends nowhere": weights({}, 10**6),
    "tensors that overlap": weights({n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in "ab"}),
    "an offset below nothing": weights({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}),
    "pickles alone": pickles_alone,
    "a link out of it": linked("recognizer.json", "/etc/passwd"),
    "a link to sound weights": linked("model.safetensors"),
    "a link up and out": linked("recipe.yaml", "../../../../../../etc/hostname"),
    "a link to itself": linked("config.json", "config.json"),
    "a link without an end": linked("config.json", "/dev/zero"),
    "a link to a folder": link_to_a_folder,
    "a pipe": pipe,
    "nothing in its files": nothing_in_it,
}


def test_it_is_refused_with_a_reason(tmp_path: Path, plain: Path) -> None:
    folders = [tmp_path / str(i) for i in range(len(HARM))]
    for folder, harm in zip(folders, HARM.values(), strict=True):
        shutil.copytree(plain, folder)
        # who changes a model can make its checksums fit, or leave them out
        (folder / "checksums.json").unlink()
        harm(folder)
    told = dict(zip(HARM, told_of("loading.py", folders, SECONDS), strict=True))
    harmless = {"code of its own"}
    wrong = {name: line for name, line in told.items() if " refused " not in line and name not in harmless}
    assert wrong == {}
    assert max(int(line.split()[0]) for line in told.values()) < MEGABYTES
    assert [folder for folder in folders if (folder / "ran").exists()] == []
    tally("model folders", injected=len(HARM), survived=len(HARM))


def test_pickles_beside_the_weights_are_never_read(tmp_path: Path, plain: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(plain, folder)
    pickled(folder)
    Recognizer.from_pretrained(folder)
    assert not (folder / "ran").exists()
    # the pickle does what it is for, where somebody loads it
    pickle.loads((folder / "model.pkl").read_bytes())
    assert (folder / "ran").exists()


def test_damaged_folders_load_or_are_refused(tmp_path: Path, plain: Path) -> None:
    rng = random.Random(0)
    folders = [tmp_path / str(i) for i in range(how_many(400))]
    for folder in folders:
        shutil.copytree(plain, folder)
        if rng.random() < 0.5:
            (folder / "checksums.json").unlink()
        path = rng.choice(sorted(folder.iterdir()))
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice((1, 3, 20))):
            at = rng.randrange(min(len(content), 3000))
            put_in = rng.choice((b"", b"9999999999", b"-1", b"null", b"[", b'"', rng.randbytes(3)))
            content[at : at + rng.choice((0, 1, 8))] = put_in
        path.write_bytes(content)
    told = list(told_of("loading.py", folders, SECONDS))
    wrong = [line for line in told if " loaded " not in line and " refused " not in line]
    tally("model folders", injected=len(folders), survived=len(folders) - len(wrong))
    assert wrong == []
    assert max(int(line.split()[0]) for line in told) < MEGABYTES


@pytest.mark.parametrize(
    "values", [{"d_model": 10**6}, {"encoder_ffn_dim": 10**9}, {"encoder_layers": 10**6}, {"num_mel_bins": 10**9}]
)
def test_an_encoder_that_asks_for_more_than_its_files_hold(
    tmp_path: Path, tiny_whisper: Path, values: dict[str, int]
) -> None:
    shutil.copytree(tiny_whisper, tmp_path / "encoder")
    _config(tmp_path / "encoder", **values)
    with pytest.raises(InputError):
        load_speech_encoder(str(tmp_path / "encoder"))


def test_an_encoder_of_pickles_is_refused(tmp_path: Path, tiny_bert: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_bert, folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle_that_writes(folder / "ran"))
    with pytest.raises(InputError):
        load_text_encoder(str(folder))
    assert not (folder / "ran").exists()


def test_links_within_a_model_and_to_it_are_followed(tmp_path: Path, plain: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(plain, folder)
    (folder / "config.json").replace(folder / "first.json")
    (folder / "config.json").symlink_to("first.json")
    (tmp_path / "newest").symlink_to("model")
    assert Recognizer.from_pretrained(tmp_path / "newest").labels == Recognizer.from_pretrained(plain).labels


def test_an_encoder_that_the_user_names_may_be_made_of_links(tmp_path: Path, tiny_bert: Path) -> None:
    for path in tiny_bert.iterdir():
        (tmp_path / path.name).symlink_to(path)
    assert load_text_encoder(str(tmp_path)).fingerprint == load_text_encoder(str(tiny_bert)).fingerprint
