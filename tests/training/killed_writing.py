"""Kills a process at every step of writing and of removing a checkpoint, and prints what each time was left.

Run by test_checkpoints.py. A step is a file operation, as Python's audit events tell them.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from emovoz.training.checkpoints import open_checkpoint, remove_checkpoint


def killed(step: int, work: Callable[[], None]) -> bool:
    """Do work in a new process that dies before its file operation of this number; whether it came to that."""
    child = os.fork()
    if not child:
        left = step

        def hook(event: str, _: object) -> None:
            nonlocal left
            if event == "open" or (event.startswith("os.") and event != "os.kill"):
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

        sys.addaudithook(hook)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def write(folder: Path, text: str, *, resume: bool) -> None:
    checkpoint = open_checkpoint(folder, {}, resume=resume)
    with checkpoint.of("curve").writing() as state:
        (state / "state.txt").write_text(text)


def read(folder: Path) -> str:
    """The states that a resumed training finds; an InputError would say that the checkpoint is damaged."""
    checkpoint = open_checkpoint(folder, {}, resume=True)
    states = [checkpoint.of(fit).state() for fit in ("model", "curve")]
    return " ".join((state / "state.txt").read_text() if state else "none" for state in states)


def left_by(work: Callable[[Path], None], folder: Path) -> list[str]:
    """What is found after a kill at each step of work upon a checkpoint that is there, and at last after no kill."""
    found: list[str] = []
    died = True
    while died:
        shutil.rmtree(folder, ignore_errors=True)
        with open_checkpoint(folder, {}, resume=True).writing() as state:
            (state / "state.txt").write_text("model")
        write(folder, "old", resume=True)
        died = killed(len(found), lambda: work(folder))
        found.append(read(folder))
        remove_checkpoint(folder)
        assert not folder.exists()
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1]) / "checkpoint"
    works: dict[str, Callable[[Path], None]] = {
        "resumed": lambda folder: write(folder, "new", resume=True),
        "afresh": lambda folder: write(folder, "new", resume=False),
        "removed": remove_checkpoint,
    }
    print(json.dumps({name: left_by(work, place) for name, work in works.items()}))
