"""How the words of pictures are set."""

from typing import Any

PLAIN: Any = {"text.parse_math": False}
"""For matplotlib: words are shown as they are; names and labels may hold a dollar sign, which would begin a formula."""
