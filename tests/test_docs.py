"""The documentation site builds without a warning and fetches nothing, and its tutorial runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from emovoz.reference import setting_table
from helpers import commands_in

ROOT = Path(__file__).resolve().parents[1]
FETCHED = re.compile(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["']?(https?:)?//(?!localhost)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_setting_and_verb_has_its_place(site: Path) -> None:
    settings = (site / "reference" / "settings.html").read_text(encoding="utf-8")
    assert all(f"<code>{row['setting']}</code>" in settings for row in setting_table())
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for verb in ("audit", "crossval", "evaluate", "export", "extract", "predict", "quickstart", "recipes", "train"):
        assert f">emovoz {verb}<" in commands, verb


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = re.sub(r'<link rel="canonical"[^>]*>', "", page.read_text(encoding="utf-8"))
        assert not FETCHED.search(text), page.name


def test_every_document_is_in_the_contents() -> None:
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name in listed, page.name


def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"), re.DOTALL)
    with commands_in(tmp_path) as environment:
        done = subprocess.run(
            ["bash", "-e", "-c", "\n".join(blocks)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(blocks) >= 6
    for made in ("audit/audit.html", "my-model/recipe.yaml", "results/report.html", "compared/results.json"):
        assert (tmp_path / made).is_file(), made
