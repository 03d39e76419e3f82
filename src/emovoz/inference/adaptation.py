"""Speaker adaptation: pooled speech normalised by unlabelled clips of the same voice.

Only the vector of the speech is adapted: what a speaker's words have in common is what they talk about, not a voice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from emovoz.corpus.enrolment import Adapt
from emovoz.errors import InputError
from emovoz.features import ClipFeatures
from emovoz.model import Head
from emovoz.model.adaptation import PRIOR_CLIPS
from emovoz.progress import say
from emovoz.recipe import Recipe


def check_adapts(head: Head) -> None:
    """Raise InputError for a head that knows no usual voice."""
    if head.adaptation is None:
        raise InputError(
            "this model cannot adapt to a speaker: that needs speech, and pooling with nothing to learn before it "
            "(as in speech and default), whose vectors were measured in training; train one with --adapt all"
        )


def advise(recipe: Recipe, how: str) -> None:
    """Say of a model that is trained to adapt, and is not let, what that costs."""
    if recipe.training.adapt != "none":
        say(
            "this model was trained to adapt to speakers, and hears these as strangers: it works, but it is better "
            f"where it knows a few unlabelled clips of the voice; {how}"
        )


def adaptation_told(adapt: Adapt) -> dict[str, Any]:
    """What a protocol says of it."""
    if adapt == "none":
        return {"adapt": "none"}
    whose = "all clips of each speaker, those scored included" if adapt == "all" else "clips drawn by seed, not scored"
    return {
        "adapt": adapt,
        "adapt_enrolment": f"{whose}; no labels",
        "adapt_prior_clips": PRIOR_CLIPS,
    }


def adapted(head: Head, vectors: Sequence[ClipFeatures], enrolment: Sequence[ClipFeatures]) -> list[ClipFeatures]:
    """Pooled clips of one voice, their speech adapted.

    Args:
        head: fitted.
        vectors: what `pooled` gives of the clips; one without speech stays as it is.
        enrolment: what it gives of the clips by which the voice is known; those without speech tell nothing.

    Raises:
        InputError: a head that cannot adapt.
    """
    check_adapts(head)
    assert head.adaptation is not None
    part, adaptation = head.speech_part, head.adaptation
    heard = [clip.by_modality[part] for clip in enrolment if part in clip.by_modality]
    there = [i for i, clip in enumerate(vectors) if part in clip.by_modality]
    if not heard or not there:
        return list(vectors)
    device = adaptation.mean.device
    values = torch.stack([vectors[i].by_modality[part] for i in there])
    rows = dict(zip(there, adaptation(values.to(device), torch.stack(heard).to(device)).cpu(), strict=True))
    return [ClipFeatures({**clip.by_modality, part: rows[i]}) if i in rows else clip for i, clip in enumerate(vectors)]


def adapted_by_speaker(
    head: Head,
    vectors: Sequence[ClipFeatures],
    speakers: Sequence[str],
    enrolment: Mapping[str, Sequence[int]],
    wanted: Sequence[int],
) -> list[ClipFeatures]:
    """The wanted ones of several voices' pooled clips, each adapted by the clips its speaker is known by.

    Args:
        head: fitted.
        vectors: what `pooled` gives of all clips.
        speakers: of all clips.
        enrolment: positions of the clips by which each speaker is known.
        wanted: positions of the clips to adapt.
    """
    found: dict[int, ClipFeatures] = {}
    for speaker in sorted({speakers[i] for i in wanted}):
        own = [i for i in wanted if speakers[i] == speaker]
        known = [vectors[i] for i in enrolment[speaker]]
        found |= zip(own, adapted(head, [vectors[i] for i in own], known), strict=True)
    return [found[i] for i in wanted]
