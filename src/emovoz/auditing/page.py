"""An audit as one self-contained HTML page."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emovoz.auditing.plots import histogram, strips
from emovoz.auditing.text import duration, where_of
from emovoz.files import write_whole
from emovoz.page import templates_of

EXAMPLES = 8
"""Shown of each finding; audit.json has all."""
SPEAKERS = 24
"""Rows of the table of labels by speaker."""

Clip = Mapping[str, Any]


def write_page(results: Mapping[str, Any], path: Path, *, title: str = "emovoz audit") -> None:
    """Write the page; the file appears whole or not at all.

    Args:
        results: of an audit.
        path: of the HTML file.
        title: heading of the page.
    """
    write_whole(path, render_page(results, title=title))


def render_page(results: Mapping[str, Any], *, title: str = "emovoz audit") -> str:
    """The page as HTML that asks nothing of the network; arguments as for `write_page`."""
    # style and marks are those of the report of an evaluation
    environment = templates_of("auditing", "evaluation")
    environment.filters |= {"score": _score, "duration": duration, "where": where_of}
    template = environment.get_template("page.html.j2")
    return template.render(title=title, **_view(results)).lstrip()


def _view(results: Mapping[str, Any]) -> dict[str, Any]:
    clips = results["clips"]
    heard = [clip for clip in clips if clip["sound"]]
    return {
        "results": results,
        "shown": EXAMPLES,
        "labels": _labels(results, heard),
        "table": _by_speaker(results),
        "sounds": _histograms(
            heard,
            ("length", "seconds", lambda clip: clip["sound"]["seconds"]),
            ("level", "dBFS (RMS)", lambda clip: clip["sound"]["level"]),
            ("silence", "% of the clip", lambda clip: 100 * clip["sound"]["silent"]),
            ("bandwidth", "kHz", lambda clip: clip["sound"]["bandwidth"] / 1000),
        ),
        "texts": _histograms(
            clips,
            ("transcription", "words", lambda clip: clip["words"]),
            ("pace", "letters a second that is not silent", lambda clip: clip["letters_a_second"]),
        ),
        "levels": {key: strips(_levels(heard, key)) for key in ("speaker", "label", "split")},
    }


def _labels(results: Mapping[str, Any], heard: Sequence[Clip]) -> list[dict[str, Any]]:
    """A row for each label, the most frequent first."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for clip in heard:
        seconds[clip["label"]].append(clip["sound"]["seconds"])
    counts = results["labels"]
    by_split = results["labels_by_split"]
    return [
        {
            "label": label,
            "clips": count,
            "share": count / sum(counts.values()),
            "bar": count / max(counts.values()),
            "splits": [by_split[split].get(label, 0) for split in by_split],
            "seconds": statistics.median(seconds[label]) if seconds[label] else None,
        }
        for label, count in counts.items()
    ]


def _by_speaker(results: Mapping[str, Any]) -> dict[str, Any] | None:
    """Clips of each label and speaker, None where no speaker or no label is known."""
    labels, speakers = list(results["labels"]), results["labels_by_speaker"]
    if not labels or not speakers:
        return None
    most = max(max(counts.values()) for counts in speakers.values())
    rows = [
        (name, sum(counts.values()), [(counts.get(label, 0), counts.get(label, 0) / most) for label in labels])
        for name, counts in list(speakers.items())[:SPEAKERS]
    ]
    longest = min(14, max(map(len, [*speakers, *labels])))
    return {"labels": labels, "rows": rows, "more": max(0, len(speakers) - SPEAKERS), "longest": longest}


def _histograms(
    clips: Sequence[Clip], *measures: tuple[str, str, Callable[[Clip], float | None]]
) -> list[dict[str, Any]]:
    panels = []
    for name, unit, measure in measures:
        values = [value for clip in clips if (value := measure(clip)) is not None]
        panels.append(histogram(name, unit, values))
    return [panel for panel in panels if panel]


def _levels(heard: Sequence[Clip], key: str) -> dict[str, list[float]]:
    levels: dict[str, list[float]] = defaultdict(list)
    for clip in heard:
        if clip[key]:
            levels[clip[key]].append(clip["sound"]["level"])
    ordered = sorted(levels.items(), key=lambda one: (statistics.median(one[1]), one[0]))
    return {name: sorted(own) for name, own in ordered}


def _score(value: float) -> str:
    return f"{value:.1f}"
