"""Corpus: its labels, its parts, what names it."""

from pathlib import Path

import pytest

from emovoz import Corpus
from emovoz.corpus import Clip
from emovoz.errors import InputError
from manifests import WHOLE, write, write_tone


def small_corpus() -> Corpus:
    return Corpus(
        [
            Clip("a", transcription="sí", label="joy", split="train", speaker="ana", extra={"room": "1"}),
            Clip("b", transcription="no", label="anger", split="test", speaker="luis", extra={"room": ""}),
            Clip("c", transcription="ya", label="joy", split="train", place="m.csv: row 4"),
        ]
    )


def test_split_takes_its_clips_and_an_unknown_one_names_those_there(tmp_path: Path) -> None:
    assert [clip.id for clip in small_corpus().split("train")] == ["a", "c"]
    with pytest.raises(InputError, match=r"no clip belongs to split 'dev'; the splits there are: test, train"):
        small_corpus().split("dev")
    with pytest.raises(InputError, match=r"the splits there are: none"):
        Corpus([Clip("a", transcription="sí")]).split("train")


def test_excluded_labels_are_gone_from_clips_and_labels() -> None:
    kept = small_corpus().without("joy")
    assert [clip.id for clip in kept] == ["b"]
    assert kept.labels == ("anger",)


def test_excluding_an_unknown_label_or_all_of_them_is_an_error() -> None:
    with pytest.raises(InputError) as caught:
        small_corpus().without("Joy", "joy", "rage")
    assert caught.value.faults == tuple(f"no clip is labelled {name!r}; labels: anger, joy" for name in ("Joy", "rage"))
    with pytest.raises(InputError, match="no clip is left"):
        small_corpus().without("joy", "anger")


def test_unknown_labels_are_each_told_with_the_row_and_the_nearest_known_one() -> None:
    clips = [
        Clip("a", transcription="sí", label="Joy", place="m.csv: row 2"),
        Clip("b", transcription="sí", label="angr", place="m.csv: row 3"),
        Clip("c", transcription="sí", label="xyz", place="m.csv: row 4"),
        Clip("d", transcription="sí", label="joy", place="m.csv: row 5"),
        Clip("e", transcription="sí", place="m.csv: row 6"),
    ]
    with pytest.raises(InputError) as caught:
        Corpus(clips).check_labels(("anger", "joy"), "the model's labels")
    known = "is not among the model's labels (anger, joy)"
    assert caught.value.faults == (
        f"m.csv: row 2: a: label 'Joy' {known}; did you mean 'joy'?",
        f"m.csv: row 3: b: label 'angr' {known}; did you mean 'anger'?",
        f"m.csv: row 4: c: label 'xyz' {known}",
    )
    Corpus(clips[3:]).check_labels({"joy"}, "the model's labels")


def test_values_names_every_clip_that_says_nothing() -> None:
    with pytest.raises(InputError) as caught:
        small_corpus().values("room")
    assert caught.value.faults == ("b: nothing in column 'room'", "m.csv: row 4: c: nothing in column 'room'")
    with pytest.raises(InputError, match="the corpus has no column 'accent'"):
        small_corpus().values("accent")
    assert small_corpus().values("label") == ["joy", "anger", "joy"]


def test_clips_made_in_code_must_have_different_ids() -> None:
    with pytest.raises(InputError, match="a: this id occurs 2 times"):
        Corpus([Clip("a", transcription="sí"), Clip("b", transcription="sí"), Clip("a", transcription="no")])


def test_the_fingerprint_follows_the_labels_and_not_the_place_of_the_files(tmp_path: Path) -> None:
    prints = []
    for place, label in (("here", "joy"), ("there", "joy"), ("here", "fear")):
        folder = tmp_path / place
        write_tone(folder / "a.wav")
        manifest = write(folder, [WHOLE, ["a.wav", "sí", label], ["b.wav", "no", "joy"]])
        prints.append(Corpus.from_manifest(manifest, folder, audio=False).fingerprint)
    here, there, relabelled = prints
    assert here == there
    assert here != relabelled


def test_the_fingerprint_does_not_depend_on_the_order_of_the_rows(tmp_path: Path) -> None:
    corpus = small_corpus()
    assert corpus.select([2, 0, 1]).fingerprint == corpus.fingerprint
    assert corpus.select([0, 1]).fingerprint != corpus.fingerprint
