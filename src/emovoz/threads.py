"""Pieces of work next to each other, each in a thread with processors of its own."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def several_at_once(
    work: Callable[[Item], Result], items: Sequence[Item], *, most: int | None = None
) -> Iterator[Result]:
    """What the work gives for each item, in order, by as many threads as torch may use, which share its processors.

    Processors with work of their own need not wait for each other at every step, as those do that share a piece; and
    where other programs keep them busy too, that waiting would take many times as long as the work. Within such work
    the threads are those of its share.

    Args:
        work: gives the same on any number of processors.
        items: of about the same size.
        most: how many may be worked on at once; by default any number.
    """
    import torch

    processors = torch.get_num_threads()
    threads = min(len(items), processors, len(items) if most is None else most)
    if threads < 2:
        yield from map(work, items)
        return
    try:
        with (
            _one_thread_for_numpy(),
            ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(processors // threads,)) as pool,
        ):
            yield from pool.map(work, items)
    finally:
        # threads that come after these begin with what was set last
        torch.set_num_threads(processors)


_lock = Lock()
_limits: list[Any] = []
"""Of numpy's threads: one for each who is at work, all but the first empty."""


@contextmanager
def _one_thread_for_numpy() -> Iterator[None]:
    """Each product of numpy in one thread, until the last who asked for it is done."""
    with _lock:
        _limits.append(_libraries().limit(limits=1, user_api="blas") if not _limits else None)
    try:
        yield
    finally:
        with _lock:
            # the first goes last, and knows how it was before
            limit = _limits.pop()
            if limit is not None:
                limit.restore_original_limits()


@cache
def _libraries() -> Any:
    """The libraries by which numpy multiplies; to look for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
