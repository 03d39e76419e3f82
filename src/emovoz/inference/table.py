"""Predictions of a folder as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emovoz.errors import InputError
from emovoz.inference.lines import cells_of, column_names

if TYPE_CHECKING:
    from pandas import DataFrame

    from emovoz.inference.recognizer import Recognizer


def folder_table(recognizer: "Recognizer", folder: Path, **settings: Any) -> "DataFrame":
    """A row for each file in a folder, with the columns that `predict --format csv` writes.

    Args:
        recognizer: judges them.
        folder: with files.
        settings: of `Recognizer.predict`.

    Raises:
        InputError: no such folder, or nothing in it.
    """
    from pandas import DataFrame

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; predict takes files and manifests")
    labels = recognizer.labels
    rows = [cells_of(one, labels) for one in recognizer.predict(folder, **settings)]
    return DataFrame(rows, columns=column_names(labels))
