"""Fits in closed form, several at once: a thread each."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
MEMORY = 2 * 10**9
"""Bytes that fits may need together."""

_thread = local()


def several_at_once(work: Callable[[T], R], items: Sequence[T], *, need: int) -> Iterator[R]:
    """What the work gives for each item, in their order; within such work, one after the other.

    Decompositions and steps of L-BFGS gain little from more than one processor each; next to each other they gain all.

    Args:
        work: numpy and torch in one thread.
        items: what it is done for.
        need: bytes of memory, about, for one of them.
    """
    threads = min(len(items), _processors(), MEMORY // max(need, 1))
    if threads < 2 or hasattr(_thread, "works"):
        yield from map(work, items)
        return
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    try:
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads, initializer=_begin) as pool:
            yield from pool.map(work, items)
    finally:
        torch.set_num_threads(before)


def _begin() -> None:
    import torch

    _thread.works = True
    torch.set_num_threads(1)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
