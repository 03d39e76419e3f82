"""Enrolment: who is heard before the others are scored."""

import numpy as np
import pytest

from emovoz import Clip, Corpus, InputError
from emovoz.corpus.enrolment import enrolment_of, read_adapt, scored_with


def corpus(*sizes: int, label: str = "joy") -> Corpus:
    return Corpus(
        [
            Clip(f"{s}-{i}", transcription="sí", label=label, speaker=f"s{s}")
            for s, n in enumerate(sizes)
            for i in range(n)
        ]
    )


def names(of: Corpus, enrolment: dict[str, list[int]]) -> dict[str, set[str]]:
    return {speaker: {of.clips[i].id for i in own} for speaker, own in enrolment.items()}


def test_so_many_clips_of_each_speaker_are_drawn_and_not_scored() -> None:
    clips = corpus(9, 5, 4)
    drawn = enrolment_of(clips, 3, seed=0)
    assert {speaker: len(set(own)) for speaker, own in drawn.items()} == {"s0": 3, "s1": 3, "s2": 3}
    assert all(clips.clips[i].speaker == speaker for speaker, own in drawn.items() for i in own)
    scored = scored_with(len(clips), 3, drawn)
    assert {i for own in drawn.values() for i in own} == set(np.flatnonzero(~scored))
    everyone = enrolment_of(clips, "all", seed=0)
    assert [len(own) for own in everyone.values()] == [9, 5, 4]
    assert scored_with(len(clips), "all", everyone).all()
    assert enrolment_of(clips, "none", seed=0) == {}


def test_seed_and_speaker_decide_and_nothing_else() -> None:
    clips = corpus(9, 5, 4)
    drawn = names(clips, enrolment_of(clips, 3, seed=0))
    assert names(clips, enrolment_of(clips, 3, seed=0)) == drawn
    assert names(clips, enrolment_of(clips, 3, seed=1)) != drawn
    turned = Corpus(clips.clips[::-1])
    assert names(turned, enrolment_of(turned, 3, seed=0)) == drawn
    alone = corpus(9)
    assert names(alone, enrolment_of(alone, 3, seed=0)) == {"s0": drawn["s0"]}
    other_labels = corpus(9, 5, 4, label="anger")
    assert names(other_labels, enrolment_of(other_labels, 3, seed=0)) == drawn


def test_speakers_with_too_few_clips_are_named() -> None:
    with pytest.raises(InputError) as caught:
        enrolment_of(corpus(9, 3, 1), 3, seed=0)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "speaker s1 has 3 clips",
        "speaker s2 has 1 clip",
    ]


def test_clips_without_a_speaker_are_counted() -> None:
    clips = Corpus([*corpus(4).clips, Clip("x", transcription="no"), Clip("y", transcription="no")])
    with pytest.raises(InputError, match="2 of 6 clips name none"):
        enrolment_of(clips, "all", seed=0)


@pytest.mark.parametrize("given", ["some", "0", "-3", "1.5", ""])
def test_what_adapt_cannot_be_is_told(given: str) -> None:
    with pytest.raises(InputError, match="number of clips"):
        read_adapt(given)
