"""Enrolment: the unlabelled clips of each speaker that a recogniser may hear before it is tested on the others."""

from collections.abc import Mapping

import numpy as np

from emovoz.corpus.corpus import Corpus
from emovoz.errors import InputError
from emovoz.randomness import clip_random

Adapt = str | int
"""`none`, `all` clips of the speaker, or how many."""


def clips_by_speaker(corpus: Corpus) -> dict[str, list[int]]:
    """Positions of the clips of each speaker, in the order of their names.

    Raises:
        InputError: clips that name no speaker.
    """
    nameless = sum(clip.speaker is None for clip in corpus)
    if nameless:
        raise InputError(
            f"speaker adaptation needs the speaker of every clip: {nameless} of {len(corpus)} clips name none; "
            "fill in the column speaker, or set training.adapt (--adapt) to none"
        )
    rows: dict[str, list[int]] = {}
    for i, clip in enumerate(corpus):
        rows.setdefault(clip.speaker or "", []).append(i)
    return dict(sorted(rows.items()))


def enrolment_of(corpus: Corpus, adapt: Adapt, seed: int) -> dict[str, list[int]]:
    """Positions of the clips that each speaker is known by.

    Args:
        corpus: of which labels are not looked at.
        adapt: `all` clips of a speaker; or how many, drawn by the seed, the speaker's name and the ids of the clips
            and by nothing else; or `none`, which gives no clip.
        seed: of the draw.

    Raises:
        InputError: clips that name no speaker, or every speaker of whom no clip would be left to score.
    """
    if adapt == "none":
        return {}
    own = clips_by_speaker(corpus)
    if adapt == "all":
        return own
    count = int(adapt)
    short = {speaker: len(clips) for speaker, clips in own.items() if len(clips) <= count}
    if short:
        raise InputError(
            f"speaker {speaker} has {clips} {'clip' if clips == 1 else 'clips'}: {count} to enrol and at least one to "
            "score are needed; ask for fewer, or leave the speaker out"
            for speaker, clips in short.items()
        )
    return {speaker: _drawn(corpus, clips, count, seed, speaker) for speaker, clips in own.items()}


def scored_with(clips: int, adapt: Adapt, enrolment: Mapping[str, list[int]]) -> np.ndarray:
    """Which of so many clips are scored, bool [clips]: not those that were drawn to enrol; of `all`, every one."""
    scored = np.ones(clips, dtype=bool)
    if isinstance(adapt, int):
        scored[[i for own in enrolment.values() for i in own]] = False
    return scored


def read_adapt(given: str) -> Adapt:
    """What `--adapt` says.

    Raises:
        InputError: neither `none`, `all` nor a number from 1.

    >>> read_adapt("all"), read_adapt("10")
    ('all', 10)
    """
    if given in ("none", "all"):
        return given
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"--adapt {given}: none, all, or the number of clips to enrol of each speaker")
    return int(given)


def _drawn(corpus: Corpus, clips: list[int], count: int, seed: int, speaker: str) -> list[int]:
    by_id = sorted(clips, key=lambda i: corpus.clips[i].id)
    order = clip_random(seed, 0, speaker, "enrolment").permutation(len(by_id))
    return sorted(by_id[i] for i in order[:count])
