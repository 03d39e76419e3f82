"""Memory given back to the system."""

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Hand memory that is no longer in use back to the system, where the C library is one that would keep it.

    glibc's heap grows by some 20 MB with every minute of a recording otherwise: what is freed lies between small
    blocks that live on.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
