"""What benchmarks share: the data, the machine, and the page where they write down what they measured."""

import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
SPANISH = DATA / "spanish-elicited"
EMOSPEECH = DATA / "emospeech2024"
PAGE = ROOT / "benchmarks" / "RESULTS.md"


def need_data() -> None:
    """End with a sentence where the development data is not beside the project."""
    if not SPANISH.is_dir() or not EMOSPEECH.is_dir():
        sys.exit(f"the development data is not there: {DATA}")


def real_audio() -> list[Path]:
    """Clips of people where the development data is there, else the demo corpus, in order of their names."""
    folder = SPANISH if SPANISH.is_dir() else ROOT / "src" / "emovoz" / "corpus" / "demo"
    return sorted(path for path in folder.rglob("*") if path.suffix in {".wav", ".ogg", ".flac", ".opus", ".mp3"})


def machine() -> str:
    """The commit and the machine, in a line."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    info = Path("/proc/cpuinfo")
    lines = [line.partition(":") for line in (info.read_text().splitlines() if info.is_file() else [])]
    told = {name.strip(): value.strip() for name, _, value in lines}
    count = sum(name.strip() == "model name" for name, _, _ in lines)
    processor = f"{count} x {_kind(told)}" if count else platform.processor()
    return f"Commit {commit.stdout.strip()}; {processor}, Python {platform.python_version()}, no GPU."


def _kind(told: Mapping[str, str]) -> str:
    """A processor by what the system tells of it: virtual machines of one name differ by a factor of three."""
    flags = told.get("flags", "").split()
    vectors = next((name for name in ("avx512f", "avx2") if name in flags), "no avx2")
    return f"{told['model name']} (family {told.get('cpu family')}, model {told.get('model')}, {vectors})"


def free_memory() -> int:
    """Bytes that a process could take now."""
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(told["MemAvailable"].split()[0]) * 1024


def score(results: Mapping[str, Any], name: str) -> str:
    """A score of results.json with its interval."""
    low, high = results[name]["ci95"]
    return f"{results[name]['value']:.3f} [{low:.3f}, {high:.3f}]"


def write_section(heading: str, text: str) -> None:
    """Replace the section of this heading on the page, keep those of others, and print it."""
    section = f"{heading}\n\n{text.rstrip()}\n"
    page = PAGE.read_text() if PAGE.is_file() else "# Measured\n"
    before, _, after = page.partition(f"{heading}\n")
    following = after.find("\n## ")
    rest = after[following:] if following >= 0 else ""
    PAGE.write_text(f"{before.rstrip()}\n\n{section}{rest}")
    print(section)
