"""Rows printed as a table or as JSON."""

import json
from typing import Any


def print_table(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print rows of the same columns, at least one.

    >>> print_table([{"recipe": "text", "folds": 5}, {"recipe": "default", "folds": 10}], as_json=False)
    recipe   folds
    text     5
    default  10
    """
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]}
    for row in [{name: name for name in rows[0]}, *rows]:
        print("  ".join(str(row[name]).ljust(width) for name, width in widths.items()).rstrip())
