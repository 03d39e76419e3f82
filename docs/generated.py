"""Pages of the site that are made from the code: commands, settings, recipes; and the measurements, from beside it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from emovoz.cli import app
from emovoz.recipe import recipe_as_written, shipped_recipes
from emovoz.reference import setting_table

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie nowhere as files."""
    pages = {
        "reference/commands.md": commands(),
        "reference/settings.md": settings(),
        "reference/recipes.md": recipes(),
        "results.md": (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8"),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead to the site's own page where a text names the measurements in the repository."""
    return markdown.replace("](../benchmarks/RESULTS.md", "](results.md")


def commands() -> str:
    """Every verb with its arguments and options, as the command line itself tells them."""
    return "\n\n".join(["# Commands", "Every verb takes `--debug`.", *_verbs("emovoz", typer.main.get_command(app))])


def _verbs(name: str, command: Any) -> Iterator[str]:
    verbs = getattr(command, "commands", None)
    if verbs:
        for inner in verbs.values():
            yield from _verbs(f"{name} {inner.name}", inner)
        return
    context = typer.Context(command, info_name=name)
    rows = [record for each in command.params if (record := each.get_help_record(context))]
    yield f"## {name}"
    yield f"`{' '.join(command.get_usage(context).partition('Usage: ')[2].split())}`"
    yield str(command.help)
    yield _table(["option", "meaning"], [(f"`{option}`", meaning) for option, meaning in rows])


def settings() -> str:
    """Every setting of a recipe, with its default and what it means, read from its type."""
    head = "In a YAML file, or by `--set section.key=value`. Unknown settings are refused by name."
    rows = [(f"`{row['setting']}`", f"`{row['default']}`", row["meaning"]) for row in setting_table()]
    sections: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        sections.setdefault(re.split(r"[.`]", row[0])[1], []).append(row)
    tables = [f"## {name}\n\n{_table(['setting', 'default', 'meaning'], own)}" for name, own in sections.items()]
    return "\n\n".join(["# Settings", head, *tables])


def recipes() -> str:
    """Every shipped recipe as it is written."""
    parts = [
        f"## {name}\n\n{description}\n\n```yaml\n{recipe_as_written(name).rstrip()}\n```"
        for name, description in shipped_recipes().items()
    ]
    return "\n\n".join(["# Recipes", "`emovoz recipes NAME` prints one with its comments.", *parts])


def _table(head: list[str], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
