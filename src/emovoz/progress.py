"""Progress on stderr: a bar on a terminal, a quiet line now and then elsewhere, nothing unless switched on."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emovoz.errors import printable

QUIET_SECONDS = 15.0
"""Between two lines where there is no terminal."""

_shown = False
_busy = False


def show_progress() -> None:
    """Switch progress on for this process; the command line does."""
    global _shown
    _shown = True


def say(message: str) -> None:
    """A line on stderr, where progress is shown."""
    if _shown:
        print(printable(message), file=sys.stderr, flush=True)


@contextmanager
def progress(title: str, total: float, *, speech: bool = False) -> Iterator[Callable[[float], None]]:
    """Show how far a piece of work is.

    Args:
        title: what is being done.
        total: the whole of it.
        speech: whether it is measured in seconds of audio, so that the speed is told as times real time.

    Yields:
        a function to call with the amount just done.
    """
    global _busy
    # work within work stays silent: one thing is shown at a time
    if not _shown or _busy or not total:
        yield lambda amount: None
        return
    _busy = True
    try:
        with _bar(title, total, speech) if sys.stderr.isatty() else _lines(title, total, speech) as advance:
            yield advance
    finally:
        _busy = False


@contextmanager
def _bar(title: str, total: float, speech: bool) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
    with Progress(*columns, TextColumn("{task.fields[speed]}"), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, speed="")
        started, done = time.monotonic(), 0.0

        def advance(amount: float) -> None:
            nonlocal done
            done += amount
            bar.update(task, advance=amount, speed=_speed(done, started, speech))

        yield advance


@contextmanager
def _lines(title: str, total: float, speech: bool) -> Iterator[Callable[[float], None]]:
    started = last = time.monotonic()
    done, told = 0.0, False

    def advance(amount: float) -> None:
        nonlocal done, last, told
        done += amount
        finished = done >= total * 0.999999 and not told
        if finished or time.monotonic() - last > QUIET_SECONDS:
            last, told = time.monotonic(), finished
            say(f"{title}: {100 * done / total:.0f} %  {_speed(done, started, speech)}".rstrip())

    yield advance


def _speed(done: float, started: float, speech: bool) -> str:
    elapsed = time.monotonic() - started
    return f"{done / elapsed:.0f}x real time" if speech and elapsed > 0 else ""
