"""Segments as text in the forms of other programs, each as soon as it is there."""

import json
from collections.abc import Iterable, Iterator, Sequence

from emovoz.corpus.tables import csv_row
from emovoz.errors import printable
from emovoz.inference.segment import Segment

FORMS = ("jsonl", "csv", "srt", "audacity")


def segment_lines(recording: str, segments: Iterable[Segment], labels: Sequence[str], form: str) -> Iterator[str]:
    """Segments of a recording as text of one of the forms, each as soon as it is there."""
    if form == "jsonl":
        return json_lines(recording, segments)
    if form == "csv":
        return csv_lines(recording, segments, labels)
    return srt_cues(segments) if form == "srt" else audacity_lines(segments)


def json_lines(recording: str, segments: Iterable[Segment]) -> Iterator[str]:
    """A JSON object each, with the id of the recording."""
    for segment in segments:
        yield json.dumps({"id": recording, **segment.to_dict()}, ensure_ascii=False) + "\n"


def csv_lines(recording: str, segments: Iterable[Segment], labels: Sequence[str]) -> Iterator[str]:
    """A header, and a row each, with the id of the recording."""
    columns = ["id", "start", "end", "label", "transcription", "modalities", "error"]
    yield csv_row([*columns, *(f"score_{label}" for label in labels)]) + "\n"
    for one in segments:
        cells = [recording, one.start, one.end, one.label, one.transcription, "+".join(one.modalities), one.error]
        yield csv_row([*cells, *(one.scores.get(label) for label in labels)]) + "\n"


def srt_cues(segments: Iterable[Segment]) -> Iterator[str]:
    """A numbered subtitle each.

    >>> print(*srt_cues([Segment(61.5, 63.0, "joy", {"joy": 0.826}, "¡Qué alegría!")]))
    1
    00:01:01,500 --> 00:01:03,000
    [joy 0.83] ¡Qué alegría!
    """
    for number, one in enumerate(segments, 1):
        said = f" {_in_line(one.transcription)}" if one.transcription else ""
        yield f"{number}\n{_clock(one.start)} --> {_clock(one.end)}\n[{told(one)}]{said}\n\n"


def audacity_lines(segments: Iterable[Segment]) -> Iterator[str]:
    """A line of a label track each.

    >>> print(*audacity_lines([Segment(61.5, 63.0, "joy", {"joy": 0.826})]), end="")
    61.500000	63.000000	joy
    """
    for one in segments:
        yield f"{one.start:.6f}\t{one.end:.6f}\t{_in_line(one.label or 'not judged')}\n"


def told(segment: Segment) -> str:
    """The decision and its probability."""
    return "not judged" if segment.label is None else f"{_in_line(segment.label)} {segment.scores[segment.label]:.2f}"


def _in_line(text: str) -> str:
    """A label or words that end no line and begin no column, whatever is in them."""
    return printable(" ".join(text.split()))


def _clock(seconds: float) -> str:
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d},{milliseconds % 1000:03d}"
