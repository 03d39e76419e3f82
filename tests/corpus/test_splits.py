"""Splits: what is tested was never trained on, and the same cut is made every time."""

from collections import Counter
from collections.abc import Sequence

import pytest

from emovoz import Corpus
from emovoz.corpus import Clip, grouped_folds, held_out, stratified_folds
from emovoz.errors import InputError


def corpus_of(counts: dict[str, int], speakers: int | None = None) -> Corpus:
    """Clips of each label, spoken by the speakers in turn."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    return Corpus(
        [
            Clip(
                f"clip{i:03d}",
                transcription="sí",
                label=label,
                speaker=f"voice{i % speakers}" if speakers else None,
            )
            for i, label in enumerate(labels)
        ]
    )


def grouped(groups: Sequence[str]) -> Corpus:
    return Corpus([Clip(f"c{i}", transcription="sí", extra={"room": group}) for i, group in enumerate(groups)])


def ids(corpus: Corpus) -> list[str]:
    return [clip.id for clip in corpus]


def cut(corpus: Corpus, fraction: float, *, group: str = "speaker", seed: int) -> tuple[Corpus, Corpus]:
    rest, held = held_out(corpus, fraction, group=group, seed=seed)
    return corpus.select(rest), corpus.select(held)


def test_sorted_groups_are_dealt_to_the_folds_in_turn() -> None:
    corpus = grouped(["e", "a", "d", "b", "a", "c", "e"])
    # sorted: a b c d e -> folds 0 1 0 1 0
    assert grouped_folds(corpus, "room", 2) == [[0, 1, 4, 5, 6], [2, 3]]
    assert grouped_folds(corpus, "room", 5) == [[1, 4], [3], [5], [2], [0, 6]]


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_grouped_folds_test_every_clip_once_and_part_no_group(folds: int) -> None:
    corpus = corpus_of({"joy": 20, "fear": 15}, speakers=7)
    tests = grouped_folds(corpus, "speaker", folds)
    assert sorted(i for test in tests for i in test) == list(range(35))
    homes = Counter(speaker for test in tests for speaker in {corpus.clips[i].speaker for i in test})
    assert set(homes.values()) == {1}
    assert grouped_folds(corpus, "speaker", folds) == tests


def test_folds_do_not_depend_on_where_the_clips_stand() -> None:
    corpus = grouped(["b", "a", "c", "a"])
    turned = corpus.select([3, 2, 1, 0])
    for place in range(3):
        first = {ids(corpus)[i] for i in grouped_folds(corpus, "room", 3)[place]}
        assert first == {ids(turned)[i] for i in grouped_folds(turned, "room", 3)[place]}


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_grouped_folds_need_as_many_groups(folds: int) -> None:
    with pytest.raises(InputError, match=rf"{folds} folds cannot be made of 3 groups of 'room'; give 2 to 3"):
        grouped_folds(grouped(["a", "b", "c", "a"]), "room", folds)


def test_grouped_folds_need_a_group_of_every_clip() -> None:
    with pytest.raises(InputError, match="c1: nothing in column 'room'"):
        grouped_folds(grouped(["a", "", "b"]), "room", 2)
    with pytest.raises(InputError, match="no column 'speaker'"):
        grouped_folds(grouped(["a", "b"]), "speaker", 2)


@pytest.mark.parametrize("folds", [2, 5])
def test_stratified_folds_keep_the_proportions_and_test_every_clip_once(folds: int) -> None:
    corpus = corpus_of({"joy": 20, "fear": 10, "anger": 40})
    tests = stratified_folds(corpus, folds, seed=3)
    assert sorted(i for test in tests for i in test) == list(range(70))
    for test in tests:
        found = Counter(corpus.clips[i].label for i in test)
        assert found == {"joy": 20 // folds, "fear": 10 // folds, "anger": 40 // folds}


def test_stratified_folds_follow_the_seed() -> None:
    corpus = corpus_of({"joy": 20, "fear": 20})
    assert stratified_folds(corpus, 4, seed=1) == stratified_folds(corpus, 4, seed=1)
    assert stratified_folds(corpus, 4, seed=1) != stratified_folds(corpus, 4, seed=2)


def test_a_label_rarer_than_the_folds_is_dealt_as_far_as_it_goes() -> None:
    corpus = corpus_of({"joy": 12, "fear": 2})
    tests = stratified_folds(corpus, 4)
    assert sorted(i for test in tests for i in test) == list(range(14))
    assert max(sum(corpus.clips[i].label == "fear" for i in test) for test in tests) == 1


@pytest.mark.parametrize("folds", [0, 1, 7])
def test_stratified_folds_need_as_many_clips(folds: int) -> None:
    with pytest.raises(
        InputError, match=rf"{folds} folds cannot be made: the commonest label has 3 clips; give 2 to 3"
    ):
        stratified_folds(corpus_of({"joy": 3, "fear": 3}), folds)


def test_stratified_folds_need_a_label_of_every_clip() -> None:
    with pytest.raises(InputError, match="b: nothing in column 'label'"):
        stratified_folds(Corpus([Clip("a", transcription="sí", label="joy"), Clip("b", transcription="no")]), 2)


def test_more_folds_than_any_label_has_clips_is_an_input_error() -> None:
    with pytest.raises(InputError):
        stratified_folds(corpus_of({"joy": 2, "fear": 2}), 3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_held_out_keeps_speakers_apart_and_has_every_label_on_both_sides(fraction: float, seed: int) -> None:
    corpus = corpus_of({"joy": 40, "fear": 40, "anger": 40}, speakers=11)
    rest, held = cut(corpus, fraction, seed=seed)
    assert sorted(ids(rest) + ids(held)) == ids(corpus)
    assert not {clip.speaker for clip in rest} & {clip.speaker for clip in held}
    assert rest.labels == held.labels == corpus.labels
    # whole speakers of 10 or 11 clips are held out, so the share is off by at most one of them
    assert abs(len(held) - fraction * len(corpus)) <= 11


def test_held_out_keeps_the_values_of_any_column_apart() -> None:
    corpus = Corpus(
        [
            Clip(
                f"c{i}", transcription="sí", label="joy" if i % 2 else "fear", speaker="one", extra={"room": str(i % 9)}
            )
            for i in range(36)
        ]
    )
    rest, held = cut(corpus, 0.3, group="room", seed=0)
    assert held.clips
    assert not {clip.extra["room"] for clip in rest} & {clip.extra["room"] for clip in held}


@pytest.mark.parametrize("speakers", [None, 1, 2])
def test_without_three_groups_held_out_is_stratified_by_label(speakers: int | None) -> None:
    corpus = corpus_of({"joy": 40, "fear": 20}, speakers=speakers)
    rest, held = cut(corpus, 0.2, seed=0)
    assert sorted(ids(rest) + ids(held)) == ids(corpus)
    assert Counter(clip.label for clip in held) == {"joy": 8, "fear": 4}


def test_one_clip_without_a_speaker_leaves_the_cut_to_the_labels() -> None:
    corpus = corpus_of({"joy": 40, "fear": 20}, speakers=4)
    unknown = Corpus([*corpus.clips[:-1], Clip("last", transcription="sí", label="fear")])
    _, held = cut(unknown, 0.2, seed=0)
    assert Counter(clip.label for clip in held) == {"joy": 8, "fear": 4}


@pytest.mark.parametrize("speakers", [None, 10])
def test_the_same_seed_makes_the_same_cut_and_others_another(speakers: int | None) -> None:
    corpus = corpus_of({"joy": 30, "fear": 30}, speakers=speakers)
    cuts = [ids(cut(corpus, 0.2, seed=seed)[1]) for seed in (0, 0, 1, 2, 3)]
    assert cuts[0] == cuts[1]
    assert len({tuple(cut) for cut in cuts}) > 1


def test_held_out_needs_a_label_of_every_clip() -> None:
    with pytest.raises(InputError, match="a: nothing in column 'label'"):
        cut(Corpus([Clip("a", transcription="sí"), Clip("b", transcription="no", label="joy")]), 0.5, seed=0)


@pytest.mark.parametrize(("counts", "speakers"), [({"joy": 1}, None), ({"joy": 2, "fear": 2}, None), ({"joy": 4}, 4)])
def test_a_corpus_too_small_to_cut_is_cut_or_refused_as_the_users_to_mend(
    counts: dict[str, int], speakers: int | None
) -> None:
    try:
        rest, held = cut(corpus_of(counts, speakers), 0.1, seed=0)
    except InputError:
        return
    assert rest.clips
    assert held.clips


def test_a_speaker_with_most_of_the_clips_is_not_the_one_held_out() -> None:
    sizes = {"much": 90, "some": 20, "few": 12}
    clips = [
        Clip(f"{name}{i}", transcription="x", label=("joy", "fear")[i % 2], speaker=name)
        for name, size in sizes.items()
        for i in range(size)
    ]
    for seed in range(4):
        _, held = held_out(Corpus(clips), 0.15, seed=seed)
        assert {clips[i].speaker for i in held} <= {"some", "few"}
