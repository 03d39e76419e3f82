"""Work for processes of Ray that import as little as possible."""

import os
from collections.abc import Callable
from typing import Any

from emovoz.errors import InputError


class Doing:
    """Makes what does tasks: it doubles numbers, refuses words, and dies of None."""

    def __call__(self) -> Callable[[Any], Any]:
        return _done


def _done(task: Any) -> Any:
    if task is None:
        os.kill(os.getpid(), 9)
    if isinstance(task, str):
        raise InputError([f"{task}: refused", "and so is another"])
    return 2 * task
