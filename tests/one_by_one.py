"""Files that may end or hold up whoever reads them, given one by one to a process of its own."""

import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from peak import peak_megabytes

MOST_BYTES = 16 << 30
"""Of addresses."""
SAID = re.compile(r"\d+ (heard|loaded|refused|failed) ")


def told_of(script: str, paths: Sequence[Path], seconds: float = 20.0) -> Iterator[str]:
    """What a process says of each of these: its largest memory so far in MB, and what came of it.

    Args:
        script: among the tests, that is given paths on stdin and prints a line for each.
        paths: of files or folders. Of one that kills the process or holds it up, that is said.
        seconds: that each may take.
    """
    process = _listener(script)
    for path in paths:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else ""
        if SAID.match(line):
            yield line.rstrip("\n")
            continue
        process.kill()
        died = f"died ({process.wait()})" if ready else "hung"
        # what a library prints would stand among the predictions
        yield f"0 printed {line.strip()!r}" if line else f"0 {died}"
        process = _listener(script)
    process.communicate()


def answer_each(judge: Callable[[Path], str], refusal: type[Exception]) -> None:
    """Be that process: of every path on stdin print the largest memory so far, and what came of it.

    Args:
        judge: says in a word or two what it has done with a path.
        refusal: what it raises where it refuses one: `refused REASON`; where anything else is raised, `failed ERROR`.
    """
    for name in sys.stdin:
        try:
            told = judge(Path(name.rstrip("\n")))
        except refusal as error:
            told = f"refused {error}"
        except BaseException as error:
            told = f"failed {type(error).__name__}: {error}"
        print(f"{peak_megabytes():.0f} {' '.join(told.split())}", flush=True)


def limit_addresses() -> None:
    """End this process and not the machine, where it asks for all memory there is."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


def _listener(script: str) -> "subprocess.Popen[str]":
    # C libraries grumble on stderr at what they are given
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(script))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
