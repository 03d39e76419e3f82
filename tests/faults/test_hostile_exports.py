"""Exports made to do harm: graphs that reach out of their folder, ask for operators of their own or for all memory."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from emovoz import ExportedRecognizer, InputError
from faults_tried import tally
from one_by_one import told_of

MEGABYTES = 2500
SECONDS = 120.0


def changed(change: Callable[[Any, Path], None]) -> Callable[[Path], None]:
    """An export whose head is another graph; its card tells the new size, as who does harm would have it."""

    def harm(folder: Path) -> None:
        graph = onnx.load(folder / "head.onnx", load_external_data=False)
        change(graph.graph, folder)
        sized(folder, "head.onnx", graph.SerializeToString())

    return harm


def sized(folder: Path, name: str, content: bytes) -> None:
    """Write a file, and its size into the card."""
    (folder / name).write_bytes(content)
    card = json.loads((folder / "export.json").read_text())
    card["files"][name]["bytes"] = len(content)
    (folder / "export.json").write_text(json.dumps(card))


def lying(place: str) -> Callable[[Path], None]:
    """Weights at another place, where they are sound."""

    def harm(graph: Any, folder: Path) -> None:
        shutil.copy(folder / "head.onnx.data", folder.parent / f"{folder.name}.data")
        for tensor in graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = place.format(name=folder.name, parent=folder.parent.resolve())

    return changed(harm)


def giant(graph: Any, folder: Path) -> None:
    next(tensor for tensor in graph.initializer if tensor.external_data).dims[:] = [10**6, 10**6, 4]


def giant_within(graph: Any, folder: Path) -> None:
    tensor = next(tensor for tensor in graph.initializer if tensor.external_data)
    tensor.ClearField("external_data")
    tensor.data_location = onnx.TensorProto.DEFAULT
    tensor.raw_data = bytes(8)
    tensor.dims[:] = [10**6, 10**5, 4]


def giant_made(graph: Any, folder: Path) -> None:
    """A graph that first makes four terabytes, and needs them for its answer."""
    graph.initializer.append(onnx.helper.make_tensor("sizes", onnx.TensorProto.INT64, [2], [10**6, 10**6]))
    answer = graph.output[-1].name
    for node in graph.node:
        node.output[:] = ["before" if name == answer else name for name in node.output]
    graph.node.extend(
        [
            onnx.helper.make_node("ConstantOfShape", ["sizes"], ["zeros"]),
            onnx.helper.make_node("ReduceSum", ["zeros"], ["none"], keepdims=0),
            onnx.helper.make_node("Add", ["before", "none"], [answer]),
        ]
    )


def own_operator(graph: Any, folder: Path) -> None:
    graph.node[-1].domain = "evil.operators"


def link(folder: Path) -> None:
    """Its weights lie elsewhere, by a link."""
    outside = folder.with_name(f"{folder.name}-outside")
    (folder / "head.onnx.data").replace(outside)
    (folder / "head.onnx.data").symlink_to(outside)


HARM: dict[str, Callable[[Path], None]] = {
    "weights above it": lying("../{name}.data"),
    "weights by an absolute path": lying("{parent}/{name}.data"),
    "weights in the memory of the process": lying("*/_ORT_MEM_ADDR_/*"),
    "weights of a device": lying("/dev/zero"),
    "weights by a link": link,
    "a giant tensor beside it": changed(giant),
    "a giant tensor in it": changed(giant_within),
    "a giant tensor made by it": changed(giant_made),
    "an operator of its own": changed(own_operator),
    "no graph": lambda folder: sized(folder, "head.onnx", b"hello" * 1000),
    "half a graph": lambda folder: sized(folder, "head.onnx", (folder / "head.onnx").read_bytes()[:3000]),
    "no tokenizer": lambda folder: sized(folder, "tokenizer.json", b"[" * 100_000),
}


@pytest.fixture
def folder(exported: ExportedRecognizer, tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copytree(exported.directory, tmp_path / name))


def test_it_is_refused_with_a_reason(folder: Callable[[str], Path]) -> None:
    folders = [folder(str(i)) for i in range(len(HARM))]
    for one, harm in zip(folders, HARM.values(), strict=True):
        harm(one)
    sound, *told = told_of("loading.py", [folder("sound"), *folders], SECONDS)
    assert " loaded " in sound
    wrong = {name: line for name, line in zip(HARM, told, strict=True) if " refused " not in line}
    assert wrong == {}
    assert max(int(line.split()[0]) for line in told) < MEGABYTES
    tally("exports", injected=len(HARM), survived=len(HARM))


def test_a_link_out_is_named(folder: Callable[[str], Path]) -> None:
    link(folder("linked"))
    with pytest.raises(InputError, match=r"head\.onnx\.data: a link out of the model's folder, to .*-outside"):
        ExportedRecognizer.from_pretrained(folder("other").with_name("linked"))
