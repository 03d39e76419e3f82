"""Work next to each other: the same results as one after the other, in the same order."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from emovoz.threads import several_at_once


@pytest.fixture(params=[1, 2, 3])
def processors(request: pytest.FixtureRequest) -> Iterator[int]:
    """How many torch may use."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_what_they_are_of(processors: int) -> None:
    matrices = [np.random.default_rng(i).random((40, 40)) for i in range(7)]
    found = several_at_once(lambda i: (i, np.linalg.eigvals(matrices[i]).sum().real), range(7))
    assert [i for i, _ in found] == list(range(7))
    assert torch.get_num_threads() == processors


def test_each_thread_has_its_share_of_the_processors(processors: int) -> None:
    shares = list(several_at_once(lambda _: torch.get_num_threads(), range(2)))
    assert shares == [1, 1]


def test_work_within_work_stays_in_its_thread_where_it_has_one_processor(processors: int) -> None:
    def outer(_: int) -> set[int]:
        return {threading.get_ident(), *several_at_once(lambda _: threading.get_ident(), range(4))}

    assert processors == 1 or all(len(seen) == 1 for seen in several_at_once(outer, range(6)))


def test_what_may_not_be_done_at_once_is_done_one_after_the_other(processors: int) -> None:
    for most in (0, 1):
        assert set(several_at_once(lambda _: threading.get_ident(), range(4), most=most)) == {threading.get_ident()}


def test_numpy_has_its_threads_back_when_the_last_who_worked_is_done() -> None:
    torch.set_num_threads(2)
    numpy_threads = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    begun, may_end = threading.Event(), threading.Event()

    def long(_: int) -> None:
        begun.set()
        assert may_end.wait(60)

    def overlapping() -> None:
        torch.set_num_threads(2)
        list(several_at_once(long, range(2)))

    other = threading.Thread(target=overlapping)
    other.start()
    assert begun.wait(60)
    list(several_at_once(lambda i: i, range(2)))
    may_end.set()
    other.join()
    assert [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"] == numpy_threads


def test_an_error_in_a_thread_is_told_and_the_number_of_threads_is_as_it_was(processors: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(several_at_once(lambda i: 1 // i, range(4)))
    assert torch.get_num_threads() == processors
