"""Short clips as players within a page, which need no file beside it."""

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile

from emovoz.corpus import Clip, load_audio, seconds_of
from emovoz.errors import ClipError

LONGEST_SECONDS = 12.0
"""A longer clip has no player; about 5 kB are kept of a second."""
MOST_BYTES = 1_500_000
"""Of all players of a page; clips beyond have none."""
POINTS = 160
RATE = 16000


@dataclass(frozen=True)
class Sound:
    """What a page holds of a clip.

    Attributes:
        uri: the sound itself, mp3 in a data URI, which every browser plays.
        envelope: the largest magnitude of each of 160 parts, of the clip's largest.
    """

    uri: str
    envelope: tuple[float, ...]


def sounds_of(clips: Iterable[Clip]) -> dict[str, Sound]:
    """Sounds by id of the clips, as far as there is room; those that cannot be heard or are long have none."""
    found: dict[str, Sound] = {}
    used = 0
    for clip in clips:
        sound = _sound(clip)
        if sound is not None and used + len(sound.uri) <= MOST_BYTES:
            found[clip.id] = sound
            used += len(sound.uri)
    return found


def clips_shown(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Ids of the clips that the reports of runs show, mistakes first."""
    of_all = list(runs)
    ids = [one["id"] for key in ("mistakes", "hardest") for run in of_all for one in run.get(key) or ()]
    return list(dict.fromkeys(ids))


def _sound(clip: Clip) -> Sound | None:
    if clip.audio is None:
        return None
    try:
        if seconds_of(clip.audio, start=clip.start, end=clip.end) > LONGEST_SECONDS:
            return None
        samples = load_audio(clip.audio, RATE, start=clip.start, end=clip.end)
        file = io.BytesIO()
        loudest = float(np.abs(samples).max())
        soundfile.write(file, samples / max(1.0, loudest), RATE, format="MP3", compression_level=0.9)
    except (ClipError, soundfile.SoundFileError):
        # a library without mp3, or audio that is gone since it was encoded
        return None
    parts = np.array_split(np.abs(samples), POINTS)
    envelope = tuple(round(float(part.max(initial=0.0)) / loudest, 3) for part in parts)
    return Sound(f"data:audio/mpeg;base64,{base64.b64encode(file.getvalue()).decode()}", envelope)
