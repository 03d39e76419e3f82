"""Weights from the safetensors of a folder into a module, every tensor accounted for: no pickle, no foreign code."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from emovoz.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Config = TypeVar("Config", bound=DataclassInstance)

Module = TypeVar("Module", bound=nn.Module)

CONFIG, WEIGHTS, SHARDS = "config.json", "model.safetensors", "model.safetensors.index.json"
MOST_LAYERS = 1000
SPARE_VALUES = 50_000_000
"""That a module may have beyond those in its files: tables that it computes itself."""


def load_weights(
    make: Callable[[], Module],
    directory: Path,
    *,
    within: str | None = None,
    old_names: Mapping[str, str] | None = None,
) -> Module:
    """A module in eval mode with the weights that lie in a directory.

    Args:
        make: makes the module; its own values are not looked at.
        directory: with model.safetensors, or several files and their index.
        within: a pattern of how the names of the module's tensors begin in a file that holds other parts too (a
            decoder, the head of its training), which are left out; an extra tensor within a part that the module has
            is still a fault. None: the file holds nothing else.
        old_names: patterns of names that files of old have, after that beginning, and what is said now.

    Raises:
        InputError: no safetensors file, or tensors that are missing, extra or of another shape, each by name.
    """
    with told_of(directory):
        with torch.device("meta"):
            module = make()
        refuse_giant(module, directory)
        names = {f"^{within or ''}": "", **(old_names or {})}
        found = {_replaced(name, names): one for name, one in _tensors(directory)}
        wanted = module.state_dict()
        parts = dict(module.named_children())
        extra = [name for name in found.keys() - wanted.keys() if within is None or name.partition(".")[0] in parts]
        shapes = [(name, found[name].shape, wanted[name].shape) for name in sorted(found.keys() & wanted.keys())]
        refuse_faulty(directory, wanted.keys() - found.keys(), extra, shapes)
        module.load_state_dict({name: found[name].to(one.dtype) for name, one in wanted.items()}, assign=True)
    return module.eval()


def config_of(kind: "type[Config]", directory: Path) -> "Config":
    """What config.json tells of these settings, with their defaults for what it leaves out; it may tell more.

    Raises:
        InputError: no such file, or a value that cannot be.
    """
    from pydantic import TypeAdapter, ValidationError

    with told_of(directory):
        told = config_told(directory)
        try:
            return TypeAdapter(kind).validate_python(told)
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
            raise InputError(f"{directory / CONFIG}: {fault}" for fault in faults) from error


def config_told(directory: Path) -> dict[str, Any]:
    """All of config.json.

    Raises:
        InputError: it cannot be read, or asks for more layers than anybody has made.
    """
    with told_of(directory):
        told: dict[str, Any] = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
        deep = [f"{name} {many}" for name, many in told.items() if name.endswith("layers") and _many(many)]
    if deep:
        raise InputError(f"{directory / CONFIG}: {deep[0]}, more than {MOST_LAYERS}")
    return told


def refuse_giant(module: nn.Module, directory: Path) -> None:
    """Raise InputError where a module wants much more than the files hold: what is missing would be made up."""
    held = sum(file.stat().st_size for file in directory.glob("*.safetensors"))
    wanted = sum(tensor.numel() for tensor in [*module.parameters(), *module.buffers()])
    if wanted > held + SPARE_VALUES:
        raise InputError(f"{directory / CONFIG}: asks for {wanted} values, where the files hold {held} bytes")


def refuse_faulty(
    directory: Path,
    missing: Iterable[str],
    extra: Iterable[str],
    shapes: Iterable[tuple[str, Iterable[int], Iterable[int]]],
) -> None:
    """Raise InputError where tensors are missing, extra, or not of the shape (name, that found, that expected)."""
    faults = [
        *(f"tensor {name} is missing" for name in sorted(missing)),
        *(f"tensor {name} does not belong to this model" for name in sorted(extra)),
        *(
            f"tensor {name} has shape {[*found]}, expected {[*expected]}"
            for name, found, expected in shapes
            if [*found] != [*expected]
        ),
    ]
    if faults:
        raise InputError(f"{directory}: {fault}" for fault in faults)


@contextmanager
def told_of(directory: Path) -> Iterator[None]:
    """Whatever goes wrong with what somebody wrote into the files is told in a sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{directory}: the weights cannot be loaded: {str(error).strip()}") from error


def _replaced(name: str, names: Mapping[str, str]) -> str:
    for pattern, now in names.items():
        name = re.sub(pattern, now, name)
    return name


def _many(value: Any) -> bool:
    return isinstance(value, int) and value > MOST_LAYERS


def _tensors(directory: Path) -> Iterator[tuple[str, Tensor]]:
    from safetensors.torch import load_file

    names = [WEIGHTS]
    if not (directory / WEIGHTS).is_file() and (directory / SHARDS).is_file():
        shards = json.loads((directory / SHARDS).read_text(encoding="utf-8"))["weight_map"]
        # by their names alone, so that none lies elsewhere
        names = sorted({Path(name).name for name in shards.values()})
    for name in names:
        yield from load_file(directory / name).items()
