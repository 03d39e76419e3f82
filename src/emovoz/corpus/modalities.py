"""What encoders can use of a clip."""

from collections.abc import Iterable

from emovoz.corpus.clip import Clip
from emovoz.errors import ClipError


def modalities_of(clip: Clip, wanted: Iterable[str]) -> tuple[str, ...]:
    """Which of the wanted ones, `speech` and `text`, a clip has.

    An empty transcription counts as words only where there is nothing else to go by.

    >>> modalities_of(Clip("a", transcription=""), ["speech", "text"])
    ('text',)
    """
    used = dict.fromkeys(wanted)
    mute = "speech" not in used or clip.audio is None
    words = clip.transcription is not None and (clip.transcription.strip() != "" or mute)
    there = {"speech": clip.audio is not None, "text": words}
    return tuple(modality for modality in used if there[modality])


def lack_of(clip: Clip, wanted: Iterable[str]) -> ClipError | None:
    """Why a clip cannot be used: there is nothing, or its words cannot be read; None where it can."""
    used = tuple(dict.fromkeys(wanted))
    if clip.transcription_fault and "text" in used:
        return ClipError(clip.transcription_fault)
    if modalities_of(clip, used):
        return None
    missing = {"speech": "no audio", "text": "no transcription"}
    lacking = " and ".join(missing[modality] for modality in used)
    return ClipError(f"{lacking}, so there is nothing this recipe could use")
