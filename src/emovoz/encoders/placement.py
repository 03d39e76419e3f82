"""On which device, at which precision and in which batches everything is computed: one rule for all."""

import math
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from emovoz.errors import InputError

Module = TypeVar("Module", bound=nn.Module)

PRECISION = torch.float32
"""Of weights, and of everything that is not said to be of another."""
PRODUCT_PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""In which the matrix products of the encoders can be computed."""
FEWEST_FRAMES = 500
"""Of a batch that is made so that another processor has work too."""
GPU_BATCHES = 8
"""How many times as large batches are on a GPU."""


def compute_device() -> torch.device:
    """The device named by the variable EMOVOZ_DEVICE, else a CUDA one where there is one, else the CPU."""
    named = os.environ.get("EMOVOZ_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(named)
    except RuntimeError as error:
        raise InputError(f"EMOVOZ_DEVICE={named}: no such device; cpu, cuda, cuda:1, ...") from error


def product_precision(device: torch.device) -> str:
    """In which precision the encoders multiply: named by EMOVOZ_PRECISION, else float16 on CUDA and float32 elsewhere.

    Raises:
        InputError: no such precision.
    """
    named = os.environ.get("EMOVOZ_PRECISION") or ("float16" if device.type == "cuda" else "float32")
    if named not in PRODUCT_PRECISIONS:
        raise InputError(f"EMOVOZ_PRECISION={named}: no such precision; {', '.join(PRODUCT_PRECISIONS)}")
    return named


def multiplying(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Where matrix products are computed in this precision, and sums and norms in float32."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, PRODUCT_PRECISIONS[precision])


def on_device(values: np.ndarray, device: torch.device) -> Tensor:
    """An array as a tensor on a device; on its way to a GPU while that goes on computing."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def batch_budget(usual: int, device: torch.device, lengths: Sequence[int] = ()) -> int:
    """Frames or tokens of a batch: as many as suit a processor's cache, or a GPU's many cores.

    Args:
        usual: on a processor.
        device: where the batches are worked on.
        lengths: of what is to be divided; with them, every processor is given as much of it as the others.
    """
    if device.type == "cuda":
        return usual * GPU_BATCHES
    processors, total = torch.get_num_threads(), sum(lengths)
    rounds = math.ceil(total / (usual * processors))
    return max(FEWEST_FRAMES, math.ceil(total / (rounds * processors))) if total else usual


def at_once(device: torch.device) -> int | None:
    """How many batches a device works on at once: a processor's cores one each, a GPU all of itself on one."""
    return 1 if device.type == "cuda" else None


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether a device can, itself and not by emulation."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    try:
        torch.ones(1, 1, dtype=torch.bfloat16, device=device).mm(torch.ones(1, 1, dtype=torch.bfloat16, device=device))
    except (RuntimeError, TypeError):
        return False
    return True


def to_device(module: Module, device: torch.device) -> Module:
    """The module itself, moved."""
    return module.to(device)


def length_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Positions grouped into batches, longest first.

    A batch holds at most `budget` frames in all, unless one member alone is longer.

    >>> length_batches([3, 9, 4, 1], budget=12)
    [[1], [2, 0, 3]]
    """
    batches: list[list[int]] = []
    filled = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or filled + lengths[i] > budget:
            batches.append([])
            filled = 0
        batches[-1].append(i)
        filled += lengths[i]
    return batches


def equal_length_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Positions grouped so that a batch holds one length only and needs no padding.

    >>> equal_length_batches([3, 2, 3, 3], budget=6)
    [[0, 2], [3], [1]]
    """
    batches = []
    for length in sorted(set(lengths), reverse=True):
        same = [i for i, other in enumerate(lengths) if other == length]
        size = max(1, budget // max(1, length))
        batches += [same[k : k + size] for k in range(0, len(same), size)]
    return batches
