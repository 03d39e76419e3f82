"""Reading ahead: in order, one at a time, and never further than asked."""

import threading
from collections.abc import Iterator
from itertools import count, islice

import pytest

from emovoz.features import read_ahead


def test_one_more_than_asked_for_is_made_elsewhere_in_the_same_order() -> None:
    made: list[int] = []
    second = threading.Event()
    here = threading.current_thread()

    def numbers() -> Iterator[int]:
        for number in count():
            assert threading.current_thread() is not here
            made.append(number)
            if number == 1:
                second.set()
            yield number

    ahead = read_ahead(numbers())
    assert next(ahead) == 0
    assert second.wait(20)
    assert list(islice(ahead, 5)) == [1, 2, 3, 4, 5]
    ahead.close()
    assert made == [*range(len(made))]
    assert len(made) <= 7


def test_what_making_raises_is_raised_where_it_is_asked_for() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no second")

    ahead = read_ahead(broken())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="no second"):
        next(ahead)
