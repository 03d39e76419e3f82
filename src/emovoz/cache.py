"""Where emovoz keeps what it can always make again."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_directory() -> Path:
    """The user's cache folder for emovoz; the variable EMOVOZ_CACHE moves it."""
    moved = os.environ.get("EMOVOZ_CACHE")
    return Path(moved) if moved else user_cache_path("emovoz")
