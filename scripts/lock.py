"""Write the lists of requirements with a hash for every file that pip may install.

Versions are those of constraints.txt; names come from pyproject.toml and requirements/tools.in; hashes, of all files of
each release, are those that the package index tells. Needs uv and the network.
Run: make lock                        writes requirements/*.txt
     python scripts/lock.py --check   says whether they are as they should be, and writes nothing
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "requirements"
SOURCES = {
    "run": ["pyproject.toml", "--extra", "offline"],
    "dev": ["pyproject.toml", "--extra", "offline", "--extra", "dev"],
    "tools": ["requirements/tools.in"],
}
"""What each list is made of."""
TORCH = re.compile(r"(torch|cuda|nvidia|triton)\b(?!-)|(cuda|nvidia)-")
"""The index's torch and what it asks for on Linux: a list of its own, for the processor alone it takes less."""


def main() -> None:
    """Write the lists, or compare them."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.is_file():
        sys.exit("scripts/lock.py needs uv: run it by `make lock`")
    lists = compiled(uv)
    if sys.argv[1:] == ["--check"]:
        stale = [name for name, text in lists.items() if _before(name) != text]
        sys.exit(f"not as they should be, run `make lock`: {', '.join(stale)}" if stale else 0)
    for name, text in lists.items():
        (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")


def compiled(uv: Path) -> dict[str, str]:
    """The lists by their names, as they should be."""
    found = {name: entries(_compile(uv, name, source)) for name, source in SOURCES.items()}
    lists = {name: [entry for entry in parts if not TORCH.match(entry)] for name, parts in found.items()}
    lists["torch"] = [entry for entry in found["run"] if TORCH.match(entry)]
    return {name: _joined(parts) for name, parts in lists.items()}


def entries(text: str) -> list[str]:
    """The requirements of a list, each with its hashes.

    Examples:
        >>> entries("# how\\na==1 \\\\\\n    --hash=sha256:0\\nb==2 \\\\\\n    --hash=sha256:1\\n")
        ['a==1 \\\\\\n    --hash=sha256:0', 'b==2 \\\\\\n    --hash=sha256:1']
    """
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return [entry.rstrip() for entry in re.split(r"\n(?=\S)", lines) if entry.strip()]


def _compile(uv: Path, name: str, source: list[str]) -> str:
    """What uv makes of a source, keeping the versions that the list before has."""
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / f"{name}.txt"
        written.write_text(_before(name) + (_before("torch") if name != "tools" else ""), encoding="utf-8")
        options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header"]
        places = ["--constraint", "constraints.txt", "--output-file", str(written)]
        subprocess.run([uv, "pip", "compile", "--quiet", *source, *options, *places], cwd=ROOT, check=True)
        return written.read_text(encoding="utf-8")


def _joined(found: Iterable[str]) -> str:
    """A list as it is written."""
    first = "# Written by scripts/lock.py from constraints.txt: change that, then `make lock`."
    return "\n".join([first, *sorted(found), ""])


def _before(name: str) -> str:
    path = FOLDER / f"{name}.txt"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    main()
