"""Services that tests ask: a process as a user starts it, or an application in a thread with limits of its own."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from emovoz import Recognizer

if TYPE_CHECKING:
    from emovoz.serve import Service

PATIENCE = 120.0
"""Seconds: far more than anything takes, on a machine that others keep busy."""


@dataclass(frozen=True)
class Served:
    """A service at work."""

    url: str
    process: "subprocess.Popen[str]"
    folder: Path

    def client(self, **more: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE, **more)

    def left(self) -> list[str]:
        """Names of files that lie in its temporary folder, its own mark apart."""
        return [path.name for path in self.folder.rglob("*") if path.is_file() and path.name != "in-use"]


@contextmanager
def started(model: Path, folder: Path, *options: str, **environment: str) -> Iterator[Served]:
    """`emovoz serve` in a process, its temporary files in a folder."""
    command = [
        sys.executable,
        "-c",
        "from emovoz.cli import main; main()",
        "serve",
        str(model),
        "--port",
        "0",
        *options,
    ]
    process = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(folder), **environment}, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Served(_address(process), process, folder)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        found = re.search(r"http://\S+", line)
        if found:
            # what it says later must not fill the pipe
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[0].rstrip(".,")
    raise AssertionError("".join(told))


@contextmanager
def serving(recognizer: Recognizer, **limits: Any) -> Iterator[tuple[httpx.Client, "Service"]]:
    """An application with limits, asked through a real socket, and its service."""
    import uvicorn

    from emovoz.serve import ServeSettings, make_app

    app = make_app(recognizer, ServeSettings(**limits))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            until(lambda: server.started)
            with httpx.Client(base_url=url, timeout=PATIENCE) as client:
                yield client, app.state.service
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


def until(true: Callable[[], Any]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)


def counted(client: httpx.Client, name: str, **labels: str) -> float:
    """What the metrics say of a count; 0 where there is none yet."""
    wanted = "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{name}{wanted} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def line_of(recognizer: Recognizer, *arguments: Any, **more: Any) -> Mapping[str, Any]:
    """What `emovoz predict` prints of one clip, read again."""
    (prediction,) = recognizer.predict(*arguments, **more)
    line: Mapping[str, Any] = json.loads(json.dumps(prediction.to_dict()))
    return line
