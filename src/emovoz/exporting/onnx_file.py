"""From a module to an ONNX file that says what goes in and what comes out."""

import contextlib
import io
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emovoz.errors import InputError

OPSET = 20
NEEDED = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Port:
    """An input or output of a graph.

    Attributes:
        name: of it.
        axes: names of its axes; those that are numbers in the example are fixed, the others dynamic.
        about: what it is, with its unit.
        fixed: the axes that are always as long as in the example.
    """

    name: str
    axes: tuple[str, ...]
    about: str
    fixed: tuple[str, ...] = ("layer", "dim")

    @property
    def described(self) -> str:
        """Axes and meaning in a line."""
        return f"[{', '.join(self.axes)}]: {self.about}"


def check_tools() -> None:
    """Raise InputError where what exporting takes is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"exporting needs {', '.join(missing)}: pip install 'emovoz[onnx]'")


def write_graph(
    module: nn.Module,
    file: Path,
    inputs: Mapping[str, Tensor],
    ports: Sequence[Port],
    outputs: Sequence[Port],
    facts: Mapping[str, str],
) -> None:
    """Write a module as an ONNX graph, its weights in a second file beside it (`NAME.onnx.data`).

    Args:
        module: in eval mode.
        file: `NAME.onnx`.
        inputs: an example of every input, by name.
        ports, outputs: what each input and output is.
        facts: what else its metadata say.
    """
    with torch.no_grad(), _silent():
        program: Any = torch.onnx.export(
            module,
            (),
            kwargs=dict(inputs),
            dynamic_shapes=_dynamic(ports),
            input_names=[*inputs],
            output_names=[port.name for port in outputs],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model
    _forget_sources(model)
    of_graph = [*zip(model.graph.inputs, ports, strict=True), *zip(model.graph.outputs, outputs, strict=True)]
    for value, port in of_graph:
        value.doc_string = port.described
    model.metadata_props.update(facts)
    model.metadata_props.update({f"input.{port.name}": port.described for port in ports})
    model.metadata_props.update({f"output.{port.name}": port.described for port in outputs})
    program.save(file, external_data=True)


def quantise(file: Path) -> None:
    """Replace a graph by one whose matrix products have weights of int8, a scale a column.

    What goes into them is quantised as it comes, by the range of all that goes through at once.
    """
    with _silent():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        folder = file.with_name(f"{file.stem}-int8")
        folder.mkdir()
        quantize_dynamic(
            file,
            folder / file.name,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            # 7 bits: processors without VNNI add pairs of products in 16 bits, which 8 would overflow
            reduce_range=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=True,
        )
    for name in (file.name, f"{file.name}.data"):
        (folder / name).replace(file.with_name(name))
    shutil.rmtree(folder)


def _dynamic(ports: Sequence[Port]) -> dict[str, dict[int, Any]]:
    """For every input its dynamic axes; axes of one name are as long as each other."""
    names = {axis for port in ports for axis in port.axes if axis not in port.fixed}
    dims = {name: torch.export.Dim(name) for name in sorted(names)}
    return {port.name: {i: dims[axis] for i, axis in enumerate(port.axes) if axis in dims} for port in ports}


def _forget_sources(model: Any) -> None:
    """Drop what the tracer noted of the source files, which are of this machine."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    for node in model.graph:
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without what the exporter says about itself."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
