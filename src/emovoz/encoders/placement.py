"""On which device, at which precision and in which batches everything is computed: one rule for all."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import nn

from emovoz.errors import InputError

Module = TypeVar("Module", bound=nn.Module)
Part = TypeVar("Part")
Result = TypeVar("Result")

PRECISION = torch.float32


def compute_device() -> torch.device:
    """The device named by the variable EMOVOZ_DEVICE, else a CUDA one where there is one, else the CPU."""
    named = os.environ.get("EMOVOZ_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(named)
    except RuntimeError as error:
        raise InputError(f"EMOVOZ_DEVICE={named}: no such device; cpu, cuda, cuda:1, ...") from error


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


def in_parallel(function: Callable[[Part], Result], parts: Sequence[Part], device: torch.device) -> list[Result]:
    """A function of each part, in order; on a CPU on as many threads as torch may use, which share its cores.

    Cores that work on parts of their own need not wait for each other at every step, as those do that share one; and
    where other programs keep them busy too, that waiting would take many times as long as the work.

    Args:
        function: gives the same on any number of cores.
        parts: of about the same size.
        device: where the work is done.
    """
    cores = torch.get_num_threads()
    workers = min(cores, len(parts)) if device.type == "cpu" else 1
    if workers < 2:
        return [function(part) for part in parts]
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(cores // workers,)) as pool:
            return list(pool.map(function, parts))
    finally:
        # threads that come after these begin with what was set last
        torch.set_num_threads(cores)


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
