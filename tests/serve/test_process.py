"""`emovoz serve` as a process: how it starts, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emovoz import Clip, Recognizer
from emovoz.serve.scratch import Scratch
from helpers import emovoz
from served import PATIENCE, counted, serving, started, until


def test_told_to_end_it_first_answers_what_it_has_accepted(quickstart: Path, clips: list[Clip], tmp_path: Path) -> None:
    files = [("audio", (clip.id, Path(str(clip.audio)).read_bytes())) for clip in clips[:16]]
    with (
        started(quickstart / "model", tmp_path, "--no-page") as one,
        one.client() as client,
        ThreadPoolExecutor(1) as person,
    ):
        before = counted(client, "emovoz_batch_clips_count")
        asked = person.submit(client.post, "/v1/predict/batch", files=files)
        with one.client() as other:
            until(lambda: counted(other, "emovoz_batch_clips_count") > before or asked.done())
        one.process.send_signal(signal.SIGTERM)
        lines = asked.result().json()["predictions"]
        assert [line["label"] in line["scores"] for line in lines] == [True] * 16
        one.process.wait(PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_behind_goes_when_the_next_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "from emovoz.serve.scratch import Scratch; import os; one = Scratch(); os.kill(os.getpid(), 9)"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    (left,) = tmp_path.iterdir()
    (left / "recording.wav").write_bytes(b"private")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    first, second = Scratch(), Scratch()
    assert not left.exists()
    # that of a running one stays
    assert first.folder.exists()
    assert first.folder.stat().st_mode & 0o077 == 0
    first.close()
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = emovoz("serve", "no-model", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "choose another with --host and --port" in done.stderr


def test_without_the_extra_it_says_how_to_get_it() -> None:
    script = "import sys; sys.modules['fastapi'] = None; from emovoz.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "m"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (2, "emovoz serve needs fastapi: pip install 'emovoz[serve]'\n")


def test_open_to_the_network_without_a_key_it_warns() -> None:
    done = emovoz("serve", "no-model", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2
    assert "anybody who reaches 0.0.0.0 can use this service: set EMOVOZ_API_KEY" in done.stderr


def test_a_connection_that_asks_for_nothing_does_not_keep_it_from_ending(recognizer: Recognizer) -> None:
    with serving(recognizer) as (client, _):
        idle = socket.create_connection((client.base_url.host, client.base_url.port))
    idle.close()


def test_no_library_beneath_tells_its_maker() -> None:
    # onnxruntime does where it is not told otherwise, and begins with a note among the temporary files
    script = "import emovoz, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
