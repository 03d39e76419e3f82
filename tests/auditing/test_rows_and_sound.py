"""What is wrong with rows and files: told with row and id, and never an error of the audit."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from audited import broken_corpus, found, ids, kinds, manifest, voice
from emovoz import Clip, Corpus, InputError, Waveform
from emovoz.auditing import Audit, audit
from sounds import write


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return broken_corpus(tmp_path_factory.mktemp("broken"))


def test_each_fault_of_a_row_is_an_error_with_its_row(broken: Audit) -> None:
    def rows(kind: str) -> list[tuple[str, str, str]]:
        finding = found(broken, kind)
        assert finding.severity == "error"
        return [(*example.clips[0], example.detail.partition(":")[0]) for example in finding.examples]

    assert rows("row_audio") == [("row 13", "gone.wav", "audio file not found")]
    assert rows("row_repeated_id") == [
        ("row 14", "good1.wav", "id 'good1.wav' was already used on row 3"),
        ("row 15", "good2.wav", "id 'good2.wav' was already used on row 4"),
    ]
    assert rows("row_times") == [("row 15", "good2.wav", "end (2) is not after start (4)")]
    assert rows("row_unreadable") == [
        ("row 16", "", "empty row"),
        ("row 17", "one", "6 fields where the header has 5"),
    ]


def test_audio_that_cannot_be_used_says_why_clip_by_clip(broken: Audit) -> None:
    finding = found(broken, "unusable_audio")
    assert (finding.severity, finding.clips) == ("error", 4)
    why = {example.clips[0][1]: example.detail for example in finding.examples}
    assert "silent" in why["silent.wav"]
    assert "too short" in why["blip.wav"]
    assert "truncated" in why["cut.wav"]
    assert "not readable" in why["notes.wav"]


def test_a_copy_under_another_label_is_found_by_its_sound(broken: Audit) -> None:
    finding = found(broken, "audio_of_two_labels")
    assert (finding.severity, ids(finding)) == ("error", [["good0.wav", "copy.wav"]])
    assert finding.examples[0].detail == "joy, fear"
    # a row that repeats an id is told as such
    assert "duplicate_audio" not in kinds(broken)


def test_clipping_pauses_and_missing_words_are_warnings(broken: Audit) -> None:
    for kind, name in (("clipping", "loud.wav"), ("mostly_silent", "pause.wav"), ("empty_transcription", "loud.wav")):
        finding = found(broken, kind)
        assert (finding.severity, ids(finding)) == ("warning", [[name]]), kind


def test_errors_come_first_and_the_rest_is_counted(broken: Audit) -> None:
    severities = [finding.severity for finding in broken.findings]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert broken.results["found"] == {kind: severities.count(kind) for kind in ("error", "warning", "note")}
    assert (broken.results["n"], broken.results["sound"]["unusable"]) == (14, 4)


def test_a_sound_corpus_has_no_findings_but_what_it_is(tmp_path: Path) -> None:
    rows = [
        {"id": f"{name}.wav", "label": label, "transcription": f"esto es la frase {name}", "speaker": speaker}
        for i in range(30)
        for label in ("joy", "fear")
        for speaker in ("ana",)
        for name in (f"{label}{i}",)
    ]
    for i, row in enumerate(rows):
        write(tmp_path / row["id"], voice(i))
    done = audit(manifest(tmp_path, rows))
    assert done.findings == []
    assert done.results["seconds"] == 60


def test_a_missing_file_is_told_only_where_a_folder_or_a_column_promises_it(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", voice(0))
    rows = [{"id": "a.wav", "transcription": "uno dos"}, {"id": "b.wav", "transcription": "tres cuatro"}]
    assert ids(found(audit(manifest(tmp_path, rows)), "no_audio")) == [["b.wav"]]
    assert ids(found(audit(manifest(tmp_path, rows), tmp_path), "row_audio")) == [["b.wav"]]
    named = [{"id": str(i), "audio": f"{name}.wav", "transcription": "uno"} for i, name in enumerate("ab")]
    assert ids(found(audit(manifest(tmp_path, named)), "row_audio")) == [["1"]]
    # words alone are a corpus too
    assert not {"no_audio", "row_audio"} & kinds(audit(manifest(tmp_path, rows[1:])))


def test_labels_that_may_be_one_are_told(tmp_path: Path) -> None:
    labels = ["joy", "Joy", "anger", "anger", "angr", ""]
    done = audit(
        manifest(tmp_path, [{"id": f"c{i}", "label": one, "transcription": "a"} for i, one in enumerate(labels)])
    )
    assert "'joy' (1) and 'Joy' (1)" in found(done, "labels_alike").what
    assert "'angr'" in found(done, "labels_mistyped").what
    assert ids(found(done, "no_label")) == [["c5"]]


def test_speakers_recorded_at_different_levels_are_found_by_their_medians(tmp_path: Path) -> None:
    levels = {"ana": 0.01, "eva": 0.05, "leo": 0.1, "twice": 0.0001}
    rows = []
    for speaker, level in levels.items():
        for i in range(2 if speaker == "twice" else 3):
            rows.append({"id": f"{speaker}{i}.wav", "speaker": speaker, "label": "joy"})
            write(tmp_path / rows[-1]["id"], voice(len(rows), level=level))
    finding = found(audit(manifest(tmp_path, rows)), "speaker_levels")
    # ten times the amplitude is 20 dB; two clips are not enough
    assert finding.what.startswith("speakers differ by 20.")
    assert [example.detail.partition(":")[0] for example in finding.examples] == ["ana", "eva", "leo"]


def test_clipping_that_falls_on_one_label_is_told_so(tmp_path: Path) -> None:
    clips = [
        Clip(f"{label}{i}", Waveform(np.clip(gain * voice(i + 50 * gain, 0.5), -1, 1), 16000), label=label)
        for label, gain in (("anger", 30), ("joy", 1), ("fear", 2))
        for i in range(6)
    ]
    assert found(audit(Corpus(clips)), "clipping").what == (
        "6 clips clipped; 6 of them are labelled anger, as 33 % of all clips are"
    )


def test_recordings_that_tell_the_label_are_a_warning_and_others_a_note(tmp_path: Path) -> None:
    def corpus(telephone: str) -> Corpus:
        clips = []
        for i in range(24):
            label = "anger" if i % 2 else "joy"
            narrow = telephone == label or (telephone == "half" and i % 4 < 2)
            samples = soxr.resample(voice(i, 1, rate=8000), 8000, 16000) if narrow else voice(i)
            clips.append(Clip(f"c{i}", Waveform(samples, 16000), label=label))
        return Corpus(clips)

    told = found(audit(corpus("anger")), "ways_of_recording")
    assert told.severity == "warning"
    # two of the same way always have one label; of any two, 11 of the 23 others have it
    assert "in 100 % of cases, any two in 48 %" in told.what
    assert found(audit(corpus("half")), "ways_of_recording").severity == "note"
    assert found(audit(corpus("anger")), "narrow_band").clips == 12
    assert "ways_of_recording" not in kinds(audit(corpus("nobody")))


def test_wide_band_mp3_is_not_taken_for_telephone_speech(tmp_path: Path) -> None:
    write(tmp_path / "a.mp3", voice(0, rate=44100), 44100, "mp3")
    soundfile.write(tmp_path / "b.wav", voice(1, rate=8000), 8000)
    done = audit(manifest(tmp_path, [{"id": "a.mp3"}, {"id": "b.wav"}]))
    assert "narrow_band" not in kinds(done)
    assert ids(found(done, "low_rate")) == [["b.wav"]]
    assert set(done.results["sound"]["ways"]) == {
        "MP3 MPEG_LAYER_III, 44100 Hz, 1 channel",
        "WAV PCM_16, 8000 Hz, 1 channel",
    }


def test_class_folders_and_segments_are_audited_as_well(tmp_path: Path) -> None:
    for label, seed in (("joy", 0), ("fear", 0)):
        (tmp_path / "folders" / label).mkdir(parents=True)
        write(tmp_path / "folders" / label / "a.wav", voice(seed))
    assert ids(found(audit(tmp_path / "folders"), "audio_of_two_labels")) == [["fear/a.wav", "joy/a.wav"]]
    long = np.concatenate([voice(1), voice(2), voice(1)])
    write(tmp_path / "long.wav", long)
    rows = [{"id": f"p{i}", "audio": "long.wav", "start": str(i), "end": str(i + 1)} for i in range(3)]
    assert ids(found(audit(manifest(tmp_path, rows)), "duplicate_audio")) == [["p0", "p2"]]


@pytest.mark.parametrize("text", ["", "name,label\na,joy\n", "id,label\n"])
def test_a_manifest_that_is_none_cannot_be_audited(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError, match=r"m\.csv"):
        audit(tmp_path / "m.csv")
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        audit([tmp_path / "m.csv", tmp_path / "nowhere.csv"])
