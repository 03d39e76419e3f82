"""Files that may end or hold up whoever reads them, given one by one to a process of its own."""

import re
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

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


def _listener(script: str) -> "subprocess.Popen[str]":
    # C libraries grumble on stderr at what they are given
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(script))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
