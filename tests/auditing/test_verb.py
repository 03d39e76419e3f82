"""The verb audit, run as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audited import broken_corpus, manifest, texts
from helpers import emovoz


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    broken_corpus(folder)
    return folder


def test_a_broken_corpus_is_audited_and_that_is_no_failure(folder: Path, tmp_path: Path) -> None:
    done = emovoz("audit", str(folder / "m.csv"), "--audio-dir", str(folder / "audio"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "14 clips, 2 labels"
    assert "error    4 clips whose audio cannot be used" in lines
    assert "             row 13 gone.wav: audio file not found: " + str(folder / "audio" / "gone.wav") in lines
    assert lines[-1].endswith("notes") or lines[-1].endswith("note")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["audit.html", "audit.json"]
    assert "measure: 100 %" in done.stderr


def test_json_tells_everything(folder: Path) -> None:
    done = emovoz("audit", str(folder / "m.csv"), "--audio-dir", str(folder / "audio"), "--json")
    results = json.loads(done.stdout)
    kinds = {finding["kind"]: finding for finding in results["findings"]}
    assert kinds["row_audio"]["examples"][0]["clips"] == [{"place": "row 13", "id": "gone.wav"}]
    assert len(results["clips"]) == results["n"] == 14
    good = results["clips"][0]
    assert (good["id"], good["place"], good["sound"]["seconds"], good["unusable"]) == ("good0.wav", "row 2", 1.0, None)


def test_several_manifests_are_compared(tmp_path: Path) -> None:
    one = manifest(tmp_path, texts("la misma frase", "otra", label="joy"), "train.csv")
    other = manifest(tmp_path, [{"id": "x", "transcription": "¡La misma frase!", "label": "joy"}], "dev.csv")
    done = emovoz("audit", str(one), str(other))
    assert "splits share transcriptions: dev and train 1" in done.stdout
    assert "name its folder with --audio-dir" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.csv"], "nowhere.csv"),
        (["MANIFEST", "nowhere.csv"], "nowhere.csv"),
        (["MANIFEST", "--audio-dir", "nowhere"], "no such folder"),
        (["MANIFEST", "MANIFEST"], "given twice"),
        (["MANIFEST", "--out", "MANIFEST"], "is a file, not a folder"),
        ([], "MANIFEST"),
    ],
)
def test_what_cannot_be_read_at_all_is_a_sentence_and_code_2(folder: Path, arguments: list[str], sentence: str) -> None:
    done = emovoz("audit", *(str(folder / "m.csv") if one == "MANIFEST" else one for one in arguments))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_audit_needs_no_torch(tmp_path: Path) -> None:
    path = manifest(tmp_path, texts("una frase", "otra frase", label="joy"))
    script = f"import sys, emovoz; emovoz.audit({str(path)!r}).save('.'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
