"""Tasks spread over processes of a real Ray."""

import pytest

from emovoz import InputError
from emovoz.scale.cluster import cluster
from ray_tasks import Doing


def test_results_come_in_order_and_what_the_user_can_mend_is_told(ray_address: str) -> None:
    with cluster(2) as processes:
        done = processes.run(Doing(), [*range(20), "a word"])
        assert [next(done) for _ in range(20)] == list(range(0, 40, 2))
        with pytest.raises(InputError) as caught:
            next(done)
    assert caught.value.faults == ("a word: refused", "and so is another")


def test_work_that_ends_every_process_is_given_up(ray_address: str) -> None:
    with cluster(1) as processes, pytest.raises(InputError, match="a process has died 4 times at the same work"):
        list(processes.run(Doing(), [None]))
