"""Timelines as files: one set for each recording."""

import json
from itertools import chain, count
from pathlib import Path, PurePath

from emovoz.errors import InputError
from emovoz.inference.timeline import Timeline

ENDINGS = (".json", ".csv", ".srt", ".labels.txt", ".png")
"""The label track is not NAME.txt, which beside a recording may be what is said in it."""


class TimelineFolder:
    """A folder that gets NAME.json, NAME.csv, NAME.srt, NAME.labels.txt and NAME.png for each recording.

    Args:
        folder: made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def place(self, recording: str) -> Path:
        """Where the files of a recording go, without their endings.

        Args:
            recording: its id.

        Raises:
            InputError: files of other people are there.
        """
        path = PurePath(recording)
        whole = "_".join(part.strip("/:") for part in path.parts if part not in ("/", "..", "."))
        numbered = (f"{whole}-{number}" for number in count(2))
        name = next(name for name in chain((path.stem, path.name, whole), numbered) if name not in self._taken)
        self._taken.add(name)
        place = self._folder / name
        there = [ending for ending in ENDINGS if place.with_name(name + ending).exists()]
        if there and not _is_ours(place.with_name(f"{name}.json")):
            raise InputError(
                f"{place}{there[0]}: is there already, and not from emovoz predict --timeline; choose another folder"
            )
        return place

    def save(self, timeline: Timeline, place: Path) -> None:
        """Write all files of a timeline, each whole or not at all."""
        for ending in ENDINGS:
            timeline.save(place.with_name(place.name + ending))


def _is_ours(path: Path) -> bool:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and "segments" in told and "model" in told
