"""Speaker adaptation in training: the usual voice measured, and every clip adapted by others of its speaker."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from emovoz.corpus.enrolment import Adapt
from emovoz.features import ClipFeatures
from emovoz.inference.adaptation import adapted
from emovoz.model import Head
from emovoz.model.adaptation import by_speaker
from emovoz.randomness import clip_random
from emovoz.training.examples import Examples


def fit_adaptation(head: Head, examples: Examples) -> None:
    """Measure the usual voice over pooled examples (not their views), where the head is to know one."""
    part = head.speech_part
    heard = [i for i, clip in enumerate(examples.features) if part in clip.by_modality]
    if head.adaptation is None or not heard:
        return
    speakers = [examples.speakers[i] if examples.speakers else None for i in heard]
    vectors = torch.stack([examples.features[i].by_modality[part] for i in heard])
    head.adaptation.fit(vectors.to(head.adaptation.mean.device), speakers)


def adapted_examples(head: Head, examples: Examples, adapt: Adapt, seed: int) -> Examples:
    """Pooled examples as they are scored once their speakers are adapted to.

    Args:
        head: whose usual voice is measured.
        examples: pooled, each with its speaker.
        adapt: `all`: by all examples of the speaker; a number: each by so many others, drawn by the seed and its id,
            or by all others where they are fewer; `none`: as they are.
        seed: of the draws.
    """
    if adapt == "none":
        return examples
    known = list(examples.features)
    # clips that are adapted alike, and those that they are adapted by
    alike = [
        (group, by)
        for own in by_speaker(examples.speakers)
        for group, by in (
            [(own, own)] if adapt == "all" else [([i], _others(examples, own, i, adapt, seed)) for i in own]
        )
    ]

    def each(view: Sequence[ClipFeatures]) -> list[ClipFeatures]:
        found: dict[int, ClipFeatures] = {}
        for group, by in alike:
            found |= zip(group, adapted(head, [view[i] for i in group], [known[j] for j in by]), strict=True)
        return [found[i] for i in range(len(known))]

    return replace(examples, features=each(known), views=[each(view) for view in examples.views])


def _others(examples: Examples, own: Sequence[int], i: int, count: int | str, seed: int) -> list[int]:
    others = sorted((j for j in own if j != i), key=lambda j: examples.ids[j])
    order = clip_random(seed, 0, examples.ids[i], "enrolment").permutation(len(others))
    return [others[j] for j in order[: int(count)]]
