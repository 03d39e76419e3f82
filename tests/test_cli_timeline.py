"""`emovoz predict --timeline`: its forms and files, and sound from stdin, labelled while it goes on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from emovoz import Corpus, InputError
from emovoz.cli import app
from emovoz.corpus import load_audio
from helpers import json_lines

RATE = 16000
COMMAND = [sys.executable, "-c", "from emovoz.cli import main; main()", "predict"]
FORMS = {".json", ".csv", ".srt", ".labels.txt", ".png"}


@pytest.fixture(scope="module")
def model(untrained_model: Path) -> str:
    return str(untrained_model)


@pytest.fixture(scope="module")
def samples(demo: Corpus) -> np.ndarray:
    """Two demo clips with a second and a half of silence after each, float32 [time]."""
    clips = [load_audio(clip.audio) for clip in demo.clips[:2] if clip.audio is not None]
    return np.concatenate([part for clip in clips for part in (clip, np.zeros(RATE * 3 // 2, np.float32))])


@pytest.fixture(scope="module")
def recordings(samples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.wav, b/a.wav, what is said in them, and what is no recording."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "b").mkdir()
    for name in ("a.wav", "b/a.wav"):
        soundfile.write(folder / name, samples, RATE)
    (folder / "broken.wav").write_bytes(b"RIFF")
    return folder


@contextmanager
def listening(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]]:
    """The command at work: its process, stdin and stdout."""
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process, process.stdin, process.stdout
        finally:
            process.kill()


def predict(*arguments: str, stdin: bytes | None = None) -> Result:
    """The same command in this process, which saves the time to start another."""
    return CliRunner().invoke(app, ["predict", *arguments], input=stdin)


def faults(done: Result) -> str:
    assert isinstance(done.exception, InputError), done.exception
    return "\n".join(done.exception.faults)


def raw(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def test_each_recording_has_a_line_with_its_segments(
    model: str, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovoz.progress._shown", True)
    done = predict(model, str(recordings), "--timeline", "--smooth", "5")
    assert done.exit_code == 2, done.stderr
    first, second, broken = json_lines(done.stdout)
    assert [first["id"], second["id"], broken["id"]] == ["a.wav", "b/a.wav", "broken.wav"]
    assert "not readable as audio" in broken["error"]
    assert [set(one) for one in first["segments"]] == [
        {"start", "end", "label", "scores", "transcription", "modalities"}
    ] * 2
    assert first["segments"] == second["segments"]
    assert "a.wav: 2 utterances in 0:08; as a whole" in done.stderr


def test_files_of_every_form_are_written_for_each_and_may_be_written_again(
    model: str, recordings: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        done = predict(model, str(recordings), "--timeline", "--out", str(out))
        assert done.exit_code == 2, done.stderr
        # two recordings of one name do not fall on each other
        assert {path.name for path in out.iterdir()} == {f"{name}{form}" for name in ("a", "a.wav") for form in FORMS}
    assert json.loads((out / "a.wav.json").read_text())["id"] == "b/a.wav"


def test_files_of_others_stay(model: str, recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("mine")
    done = predict(model, str(recordings / "a.wav"), "--timeline", "--out", str(tmp_path))
    assert "a.srt: is there already, and not from emovoz predict --timeline" in faults(done)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("form", ["srt", "audacity", "csv"])
def test_other_forms_are_printed(model: str, recordings: Path, form: str) -> None:
    done = predict(model, str(recordings / "a.wav"), "--timeline", "--format", form)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == {"srt": 8, "audacity": 2, "csv": 3}[form]
    assert lines[0].startswith({"srt": "1", "audacity": "0.000000\t2.", "csv": "id,start,end,label,"}[form])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a.wav", "--smooth", "3", "--pause", "1"], "--smooth: only with --timeline\n--pause: only with --timeline"),
        (["a.wav", "--channels", "2"], "--channels: only with --timeline"),
        (["a.wav", "--format", "srt"], "--format srt: choose jsonl or csv"),
        (["a.wav", "--timeline", "--format", "ass"], "--format ass: choose jsonl, csv, srt or audacity"),
        (["a.wav", "--timeline", "--text", "hola"], "--text: a text has no places in a recording"),
        (["a.wav", "--timeline", "--stdin", "wav"], "--stdin: is heard alone"),
        (["--timeline", "--stdin", "fast"], "--stdin fast: wav, or the rate"),
        (["--timeline", "--stdin", "1"], "1 channels at 1 Hz: at least 1000 Hz"),
        (["--timeline", "--stdin", "16000", "--channels", "100000000"], "1 to 64 channels are needed"),
        (["--timeline", "--stdin", "wav", "--channels", "2"], "--channels: is for raw samples"),
        (["a.wav", "--timeline", "--longest", "0.1"], "longest 0.1: at least twice the shortest"),
        ([], "nothing to predict: name files"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(model: str, arguments: list[str], sentence: str) -> None:
    assert sentence in faults(predict(model, *arguments))


def test_subtitles_are_of_one_recording(model: str, recordings: Path) -> None:
    done = predict(model, str(recordings), "--timeline", "--format", "srt")
    assert "--format srt is for one recording" in faults(done)
    assert done.stdout == ""


def test_an_utterance_has_its_line_before_the_sound_is_over(model: str, samples: np.ndarray) -> None:
    with listening(model, "--timeline", "--stdin", str(RATE)) as (process, stdin, stdout):
        stdin.write(raw(samples[: len(samples) // 2]))
        first = json.loads(stdout.readline())
        assert process.poll() is None
        stdin.write(raw(samples[len(samples) // 2 :]))
        second = json.loads(stdout.readline())
        stdin.close()
        assert stdout.read() == b""
        assert process.wait(60) == 0
    assert (first["id"], first["start"]) == ("(stdin)", 0.0)
    assert first["end"] < second["start"] < second["end"] < len(samples) / RATE


def test_a_wav_that_does_not_know_its_length_is_heard_as_the_file_is(model: str, recordings: Path) -> None:
    content = (recordings / "a.wav").read_bytes()
    at = content.index(b"data") + 4
    piped = content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :]
    done = predict(model, "--timeline", "--stdin", "wav", stdin=piped)
    whole = json_lines(predict(model, str(recordings / "a.wav"), "--timeline").stdout)[0]
    for ours, theirs in zip(json_lines(done.stdout), whole["segments"], strict=True):
        assert ours.pop("id") == "(stdin)"
        scores = ours.pop("scores"), theirs.pop("scores")
        assert ours == theirs
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_a_stream_that_ends_too_early_keeps_its_lines_and_ends_with_2(
    model: str, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovoz.progress._shown", True)
    content = (recordings / "a.wav").read_bytes()
    done = predict(model, "--timeline", "--stdin", "wav", stdin=content[:-9])
    assert done.exit_code == 2
    assert len(done.stdout.splitlines()) == 2
    assert "(stdin): truncated: 9 bytes fewer than the header promises" in done.stderr


def test_a_reader_that_leaves_ends_it_quietly(model: str, samples: np.ndarray) -> None:
    with listening(model, "--timeline", "--stdin", str(RATE)) as (process, stdin, stdout):
        stdout.close()
        stdin.write(raw(samples))
        stdin.close()
        assert process.stderr
        assert b"Error" not in process.stderr.read()
        assert process.wait(60) == 0


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="resident memory is read from /proc")
def test_memory_stays_however_long_the_sound_goes_on_and_ctrl_c_ends_it(model: str, samples: np.ndarray) -> None:
    def resident() -> float:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def hear(times: int) -> None:
        for _ in range(times):
            stdin.write(raw(samples))
            for _ in range(2):
                stdout.readline()

    with listening(model, "--timeline", "--stdin", str(RATE)) as (process, stdin, stdout):
        hear(5)
        before = resident()
        hear(25)
        grown = resident() - before
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr
        assert b"Traceback" not in process.stderr.read()
    # what was heard since are 13 MB of samples
    assert grown < 8, f"{grown:.1f} MB more after three minutes"
