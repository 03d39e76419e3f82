"""The memory that a process holds, and the most that it ever held."""

import re
from pathlib import Path


def peak_megabytes() -> float:
    """Of this process since its program began; what getrusage tells would count that of whoever has started it."""
    return _told("VmHWM")


def resident_megabytes() -> float:
    """Of this process now."""
    return _told("VmRSS")


def _told(name: str) -> float:
    told = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert told
    return int(told[1]) / 1024
