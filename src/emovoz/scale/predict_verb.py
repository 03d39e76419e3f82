"""What `emovoz predict --engine ray` does."""

import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from emovoz.corpus import Clip
from emovoz.inference.lines import print_each
from emovoz.progress import say
from emovoz.remote import is_url
from emovoz.scale.answers import Answers
from emovoz.scale.cluster import cluster
from emovoz.scale.prediction import Model, predict_on_ray


def run(
    source: str,
    clips: Iterable[Clip],
    form: str,
    out: str | None,
    workers: int,
    batch_size: int,
    thresholds: Mapping[str, float],
    transcription: tuple[str, str | None] | None,
) -> int:
    """Print predictions, or write them to `out` as one file; the exit code."""
    model = Model.of(source, thresholds=thresholds, transcription=transcription)
    labels = model.recognizer().labels
    place = out if out is None or is_url(out) else str(Path(out).absolute())
    answers = Answers(place, model.asked) if place else None
    if answers:
        answers.check()
    printed = sys.stdout
    with cluster(workers) as processes:
        predictions = predict_on_ray(model, clips, processes, batch_size=batch_size, answers=answers)
        if answers is None:
            return print_each(predictions, labels, form, printed)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as file:
            code = print_each(predictions, labels, form, file)
            file.seek(0)
            say(f"predictions: {answers.write(f'predictions.{form}', file.read().encode())}")
    return code
