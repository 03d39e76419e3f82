"""Predictions as lines of text, as they come."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TextIO

from emovoz.corpus.tables import csv_row
from emovoz.errors import InputError
from emovoz.inference.prediction import Prediction
from emovoz.progress import say

Lines = Iterator[tuple[str, Prediction | None]]


def json_lines(predictions: Iterable[Prediction], labels: Sequence[str]) -> Lines:
    """(line, prediction): a JSON object each."""
    for prediction in predictions:
        yield json.dumps(prediction.to_dict(), ensure_ascii=False), prediction


def csv_lines(predictions: Iterable[Prediction], labels: Sequence[str]) -> Lines:
    """(line, prediction): a header, which belongs to no prediction, and a row each."""
    yield csv_row(column_names(labels)), None
    for one in predictions:
        yield csv_row(cells_of(one, labels)), one


def column_names(labels: Sequence[str]) -> list[str]:
    """Of a table of predictions by a recogniser that tells these labels apart."""
    return ["id", "label", "seconds", "transcription", "modalities", "error", *(f"score_{label}" for label in labels)]


def cells_of(one: Prediction, labels: Sequence[str]) -> list[Any]:
    """A prediction as a row of that table."""
    cells = [one.id, one.label, one.seconds, one.transcription, "+".join(one.modalities), one.error]
    return [*cells, *(one.scores.get(label) for label in labels)]


WRITERS: dict[str, Callable[[Iterable[Prediction], Sequence[str]], Lines]] = {"jsonl": json_lines, "csv": csv_lines}


def check_form(form: str) -> None:
    """Raise InputError where there is no such form."""
    if form not in WRITERS:
        raise InputError(f"--format {form}: choose {' or '.join(WRITERS)}")


def print_each(predictions: Iterable[Prediction], labels: Sequence[str], form: str, to: TextIO | None = None) -> int:
    """Print predictions as they come, and how many there were on stderr; 2 where one has an error, else 0.

    They go to stdout, or to an open file.
    """
    judged = failed = 0
    for line, prediction in WRITERS[form](predictions, labels):
        print(line, flush=to is None, file=to)
        judged += prediction is not None and prediction.error is None
        failed += prediction is not None and prediction.error is not None
    say(f"{judged} judged{f', {failed} not: their lines say why' if failed else ''}")
    return 2 if failed else 0
