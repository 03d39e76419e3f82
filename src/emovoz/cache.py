"""Where emovoz keeps what it can always make again."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """The user's cache folder for emovoz; the variable EMOVOZ_CACHE moves it."""
    moved = os.environ.get("EMOVOZ_CACHE")
    if moved:
        return Path(moved)
    # an export reads audio where this package need not be
    from platformdirs import user_cache_path

    return user_cache_path("emovoz")
