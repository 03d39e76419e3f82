"""What is known to be wrong with the data beside the project is found."""

import statistics
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audited import found, ids, kinds
from emovoz import audit
from emovoz.auditing import Audit
from helpers import SHARED

ELICITED, CHALLENGE = SHARED / "spanish-elicited", SHARED / "emospeech2024"


@pytest.fixture(scope="module")
def elicited() -> Audit:
    if not ELICITED.is_dir():
        pytest.skip("the elicited Spanish clips are not here")
    return audit(ELICITED / "manifest.csv", ELICITED / "audio")


@pytest.fixture(scope="module")
def challenge() -> Audit:
    if not CHALLENGE.is_dir():
        pytest.skip("the transcripts of EmoSPeech 2024 are not here")
    return audit([CHALLENGE / f"{name}.csv" for name in ("train", "dev", "test")])


def test_speakers_of_the_elicited_clips_differ_by_14_db(elicited: Audit) -> None:
    finding = found(elicited, "speaker_levels")
    assert finding.what == "speakers differ by 14.0 dB in level: spk00 -36.7, spk13 -22.7 dBFS"
    quiet, loud = (
        statistics.median(20 * _log10_rms(file) for file in (ELICITED / "audio").glob(f"s{speaker}_*.flac"))
        for speaker in ("00", "13")
    )
    assert loud - quiet == pytest.approx(14.0, abs=0.05)


def _log10_rms(file: Path) -> float:
    samples, _ = soundfile.read(file)
    return float(np.log10(samples.std()))


def test_the_empty_transcription_and_the_words_that_carry_nothing_are_found(elicited: Audit) -> None:
    assert ids(found(elicited, "empty_transcription")) == [["s11_neutral_00.flac"]]
    assert found(elicited, "empty_transcription").examples[0].clips[0][0] == "row 954"
    assert found(elicited, "words_carry_nothing").clips == 1153
    assert "12 sentences" in found(elicited, "repeated_sentence").what


def test_nothing_else_is_wrong_with_the_elicited_clips_but_clipped_anger(elicited: Audit) -> None:
    assert "27 of them are labelled anger" in found(elicited, "clipping").what
    expected = {"speaker_levels", "clipping", "empty_transcription", "words_carry_nothing", "repeated_sentence"}
    assert kinds(elicited) == expected


def test_the_five_transcriptions_of_both_train_and_dev_are_found(challenge: Audit) -> None:
    finding = found(challenge, "words_across_splits")
    assert finding.what == "splits share transcriptions: dev and train 5"
    assert [one.detail.partition("”")[0][:30] for one in finding.examples] == [
        "“rusia ya no tiene el control ",
        "“prefiere convertirse en uno d",
        "“solo se escucha el ruido del ",
        "“de la ciudad de mexico",
        "“de",
    ]


def test_the_recognition_loops_are_found(challenge: Audit) -> None:
    assert [one.detail for one in found(challenge, "recognition_loop").examples] == [
        "“que no se puede hacer nada” 62 times in a row",
        "“en el centro de la ciudad” 60 times in a row",
        "“que es la que mas ha habido en la legislacion” 33 times in a row",
        "“viven del miedo” 6 times in a row",
        "“de la comunidad de los centros” 3 times in a row",
    ]


def test_the_rare_label_is_found(challenge: Audit) -> None:
    assert found(challenge, "rare_label").what == "rare labels: fear (23 clips, 0.8 %)"
