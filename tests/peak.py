"""The most memory that a process ever held."""

import re
from pathlib import Path


def peak_megabytes() -> float:
    """Of this process since its program began; what getrusage tells would count that of whoever has started it."""
    told = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert told
    return int(told[1]) / 1024
