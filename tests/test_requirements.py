"""The lists that make installs from: every package at the version that is pinned, every file by its hash."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTS = sorted((ROOT / "requirements").glob("*.txt"))
NEEDED = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def versions(path: Path) -> dict[str, str]:
    return {canonical(name): version for name, version in NEEDED.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_versions_are_those_pinned_and_every_one_has_hashes(path: Path) -> None:
    pinned, listed = versions(ROOT / "constraints.txt"), versions(path)
    assert listed
    assert {
        name: version for name, version in listed.items() if pinned.get(name, version) != version.partition("+")[0]
    } == {}
    for entry in re.split(r"\n(?=\w)", path.read_text(encoding="utf-8"))[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry[:80]


def test_what_quickstart_needs_is_all_there() -> None:
    """They are installed without asking what they need."""
    listed = versions(ROOT / "requirements" / "run.txt") | versions(ROOT / "requirements" / "torch.txt")
    needed = [one for one in distribution("emovoz").requires or () if "extra ==" not in one or '"offline"' in one]
    assert len(needed) > 20
    assert [one for one in needed if canonical(re.match(r"[\w.-]+", one)[0]) not in listed] == []  # type: ignore[index]
