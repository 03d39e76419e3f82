"""What every setting of a recipe means, read from where it is defined."""

import inspect
import json
import re
import textwrap
from typing import Any, get_args

from emovoz.recipe import Recipe
from emovoz.settings import Section


def setting_table() -> list[dict[str, Any]]:
    """A row for each setting: its name, its default, and what it means.

    >>> next(row for row in setting_table() if row["setting"] == "training.epochs")["default"]
    '30'
    """
    return [row for name, section in _sections_in(Recipe).items() for row in _rows(name, section)]


def explained() -> str:
    """Every setting with its default, and under it what it means."""
    return "\n".join(
        f"{row['setting']} = {row['default']}\n{textwrap.indent(textwrap.fill(row['meaning'], 96), '    ')}"
        for row in setting_table()
    )


def _rows(name: str, section: type[Section]) -> list[dict[str, Any]]:
    rows = []
    meanings = meanings_of(section)
    for key, field in section.model_fields.items():
        inner = _sections_in(section).get(key)
        default = "required" if field.is_required() else _written(field.default)
        meaning = meanings.get(key, "")
        if inner:
            meaning = f"{_summary(inner)}; {meaning}"
        rows.append({"setting": f"{name}.{key}", "default": default, "meaning": meaning})
        rows += _rows(f"{name}.{key}", inner) if inner else []
    return rows


def _summary(section: type[Section]) -> str:
    line = str(inspect.getdoc(section)).partition("\n")[0].removesuffix(".")
    return line[0].lower() + line[1:]


def meanings_of(section: type[Section]) -> dict[str, str]:
    """What the docstring of a section says of each of its settings; several may share a sentence."""
    _, _, attributes = inspect.getdoc(section).partition("Attributes:\n")  # type: ignore[union-attr]
    meanings = {}
    for entry in re.split(r"\n(?=    \w)", attributes):
        names, _, meaning = entry.strip().partition(": ")
        for name in names.split(", "):
            meanings[name] = " ".join(meaning.split())
    return meanings


def _sections_in(section: type[Section]) -> dict[str, type[Section]]:
    found = {}
    for key, field in section.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if inspect.isclass(kind) and issubclass(kind, Section):
                found[key] = kind
    return found


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).strip('"')
