"""Comments of a recipe, kept where it is written out in full."""

import re
from collections.abc import Iterator


def with_comments(text: str, source: str) -> str:
    """A YAML text, above its keys the comments that stand above the same keys in another.

    >>> print(with_comments("training:\\n  seed: 0\\n  epochs: 5", "training:\\n  # as published\\n  epochs: 5"))
    training:
      seed: 0
      # as published
      epochs: 5
    """
    comments = dict(_comments(source))
    lines: list[str] = []
    for path, line in _keys(text):
        indent = line[: len(line) - len(line.lstrip())]
        lines += [indent + comment for comment in comments.get(path, ())]
        lines.append(line)
    return "\n".join(lines)


def _comments(source: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    found: list[str] = []
    for path, line in _keys(source):
        if line.lstrip().startswith("#"):
            found.append(line.strip())
        else:
            yield path, found
            found = []


def _keys(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every line with the path of its key; a line without a key has none."""
    above: list[tuple[int, str]] = []
    for line in text.split("\n"):
        key = re.match(r"( *)([A-Za-z_]\w*):", line)
        if key is None:
            yield (), line
            continue
        above = [*((indent, name) for indent, name in above if indent < len(key[1])), (len(key[1]), key[2])]
        yield tuple(name for _, name in above), line
