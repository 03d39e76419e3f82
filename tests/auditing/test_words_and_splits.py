"""What is wrong with transcriptions, labels and speakers, and what splits share."""

from pathlib import Path

import pytest

from audited import found, ids, kinds, manifest, texts, voice
from emovoz import Clip, Corpus, Waveform, audit
from emovoz.auditing import Finding

LABELS = ("anger", "fear", "joy")
LONG = "que lo que dijo el ministro en la radio esta mañana no tiene ningún sentido"


def test_loops_are_told_with_phrase_and_count_the_longest_first(tmp_path: Path) -> None:
    rows = texts("y qué más " * 4, "nada que ver", "en la casa " * 30, "no no no no")
    finding = found(audit(manifest(tmp_path, rows)), "recognition_loop")
    assert (finding.severity, ids(finding)) == ("warning", [["t2"], ["t0"]])
    assert [example.detail for example in finding.examples] == [
        "“en la casa” 30 times in a row",
        "“y que mas” 4 times in a row",
    ]


def test_empty_and_one_word_transcriptions_are_told(tmp_path: Path) -> None:
    done = audit(manifest(tmp_path, texts("¡Sí!", "", "…", "no lo sé")))
    assert ids(found(done, "empty_transcription")) == [["t1"], ["t2"]]
    assert ids(found(done, "one_word")) == [["t0"]]


def test_a_corpus_without_transcriptions_lacks_none(tmp_path: Path) -> None:
    clips = [Clip(f"c{i}", Waveform(voice(i), 16000)) for i in range(3)]
    assert not {"empty_transcription", "one_word"} & kinds(audit(Corpus(clips)))


def test_words_that_do_not_fit_the_sound_are_told() -> None:
    usual = [Clip(f"c{i}", Waveform(voice(i, 2), 16000), transcription=f"una frase normal {i}") for i in range(5)]
    fast = Clip("fast", Waveform(voice(8, 1), 16000), transcription=LONG)
    slow = Clip("slow", Waveform(voice(9, 20), 16000), transcription="una frase normal")
    done = audit(Corpus([*usual, fast, slow]))
    assert ids(found(done, "too_many_words")) == [["fast"]]
    assert ids(found(done, "too_few_words")) == [["slow"]]
    letters = sum(letter.isalpha() for letter in LONG)
    assert found(done, "too_many_words").examples[0].detail.startswith(f"{letters}.0 letters/s")


def acted(sentences: int, labels: dict[int, tuple[str, ...]]) -> Corpus:
    return Corpus(
        [
            Clip(f"{speaker}-{sentence}-{label}", transcription=f"la frase {sentence}", label=label, speaker=speaker)
            for speaker in ("ana", "eva")
            for sentence in range(sentences)
            for label in labels[sentence % len(labels)]
        ]
    )


def test_the_same_sentences_under_every_label_carry_nothing() -> None:
    finding = found(audit(acted(6, {0: LABELS})), "words_carry_nothing")
    assert "in 33 % of cases, from all clips in 33 %" in finding.what


def test_sentences_of_a_single_label_give_it_away() -> None:
    done = audit(acted(6, {i: (label,) for i, label in enumerate(LABELS)}))
    assert found(done, "words_give_label").severity == "warning"
    assert "words_carry_nothing" not in kinds(done)


def test_sentences_that_tell_something_of_the_label_are_neither() -> None:
    done = audit(acted(6, {0: ("anger", "fear"), 1: ("joy", "fear"), 2: ("joy", "anger")}))
    assert not {"words_carry_nothing", "words_give_label"} & kinds(done)


def test_the_same_words_under_two_labels_are_told_where_nobody_gave_the_sentences() -> None:
    said = [(f"algo distinto número {i}", "joy") for i in range(10)] + [(LONG, "joy"), (LONG, "anger")]
    clips = [Clip(f"c{i}", transcription=text, label=label) for i, (text, label) in enumerate(said)]
    assert ids(found(audit(Corpus(clips)), "words_of_several_labels")) == [["c10", "c11"]]


def two_splits(tmp_path: Path, *, in_one: bool) -> dict[str, Finding]:
    train = texts(LONG, "nadie lo sabe", "eso es", speaker="ana", label="joy")
    dev = texts(f"Y dijo {LONG.upper()}, sí.", "¡Nadie lo sabe!", "otra cosa", speaker="eva", label="joy")
    dev = [row | {"id": f"d{i}"} for i, row in enumerate(dev)]
    dev[2] |= {"speaker": "ana"}
    if in_one:
        rows = [row | {"split": name} for name, part in (("train", train), ("dev", dev)) for row in part]
        done = audit(manifest(tmp_path, rows))
    else:
        done = audit([manifest(tmp_path, train, "train.csv"), manifest(tmp_path, dev, "dev.csv")])
    assert done.results["splits"] == {"train": 3, "dev": 3}
    return {finding.kind: finding for finding in done.findings}


@pytest.mark.parametrize("in_one", [True, False])
def test_what_splits_share_is_found_between_manifests_and_within_one(tmp_path: Path, in_one: bool) -> None:
    findings = two_splits(tmp_path, in_one=in_one)
    same, near = findings["words_across_splits"], findings["near_words_across_splits"]
    assert same.what == "splits share transcriptions: dev and train 1"
    assert ids(same) == [["t1", "d1"]]
    assert ids(near) == [["t0", "d0"]]
    assert near.examples[0].detail.startswith("100 %")
    assert findings["speakers_across_splits"].examples[0].detail == "ana: dev 1, train 3"
    where = "train row 3" if not in_one else "row 3"
    assert same.examples[0].clips[0] == (where, "t1")


def test_a_recording_in_two_splits_is_an_error_whatever_it_is_called() -> None:
    def corpus(*seeds: int, name: str) -> Corpus:
        return Corpus([Clip(f"{name}{i}", Waveform(voice(i), 16000), label="joy") for i in seeds])

    done = audit({"train": corpus(0, 1, 2, name="a"), "test": corpus(2, 3, name="b")})
    finding = found(done, "audio_across_splits")
    assert (finding.severity, ids(finding)) == ("error", [["a2", "b2"]])
    assert finding.examples[0].detail == "train joy, test joy"


def test_an_id_in_two_splits_is_an_error(tmp_path: Path) -> None:
    one, other = texts("una cosa", "otra"), texts("distinta", "más")[:1]
    done = audit([manifest(tmp_path, one, "a.csv"), manifest(tmp_path, other, "b.csv")])
    assert ids(found(done, "ids_across_splits")) == [["t0", "t0"]]


def test_labels_that_a_split_lacks_and_clips_of_no_split_are_told(tmp_path: Path) -> None:
    rows = texts("a b", "c d", "e f", "g h")
    for row, label, split in zip(rows, ("joy", "fear", "joy", "joy"), ("train", "train", "dev", ""), strict=True):
        row |= {"label": label, "split": split}
    done = audit(manifest(tmp_path, rows))
    assert found(done, "label_missing_from_split").what == "dev has no clip of fear"
    assert ids(found(done, "no_split")) == [["t3"]]


def test_rare_labels_and_labels_of_one_speaker_are_told() -> None:
    counts = {("ana", "joy"): 20, ("eva", "joy"): 20, ("ana", "fear"): 4, ("leo", "joy"): 2}
    clips = [
        Clip(f"{speaker}{label}{i}", transcription=f"{speaker} {label} {i}", label=label, speaker=speaker)
        for (speaker, label), count in counts.items()
        for i in range(count)
    ]
    done = audit(Corpus(clips))
    assert found(done, "rare_label").what == "rare labels: fear (4 clips, 8.7 %)"
    assert found(done, "label_of_one_speaker").what == "labels voiced by a single speaker: fear (ana)"
    assert [one.detail for one in found(done, "speaker_of_one_label").examples] == ["eva: joy 20", "leo: joy 2"]


def test_speakers_that_are_unknown_are_a_note_and_those_left_out_a_warning(tmp_path: Path) -> None:
    rows = texts("a b", "c d", label="joy")
    assert found(audit(manifest(tmp_path, rows)), "speaker_unknown").severity == "note"
    rows[0]["speaker"] = "ana"
    finding = found(audit(manifest(tmp_path, rows)), "speaker_unknown")
    assert (finding.severity, ids(finding)) == ("warning", [["t1"]])


def test_a_test_set_without_labels_is_a_note(tmp_path: Path) -> None:
    train, test = texts("a b", label="joy"), [{"id": "x", "transcription": "c d"}]
    done = audit([manifest(tmp_path, train, "train.csv"), manifest(tmp_path, test, "test.csv")])
    finding = found(done, "no_label")
    assert (finding.severity, finding.what) == ("note", "1 clip has no label: all of test")
