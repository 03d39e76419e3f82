"""Runs of the command line, each forked from a process that has imported everything: the verb's own code, without 4 s.

Run as a script by `Warm`: reads a JSON object a line on stdin, answers with one a line. By `warm_command`: the same
over a socket, for an `emovoz` that a shell can call.
"""

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ended:
    """A run that has ended: exit code (negative for a signal), what it printed, how long it took in seconds."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether it died by SIGKILL."""
        return self.code == -signal.SIGKILL


class Warm:
    """The process that is forked.

    Args:
        scratch: folder for what runs print, and for their temporary files: its `tmp` is theirs alone.
        checkpoints: seconds between two of them. The command line makes one every 20 s at most, too few for a run of
            one second.
    """

    def __init__(self, scratch: Path, checkpoints: float = 0.0) -> None:
        self.scratch = scratch
        self.temporary = scratch / "tmp"
        self.temporary.mkdir(parents=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(self.temporary)}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(checkpoints)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object, **faults: Any) -> Ended:
        """Run a verb.

        Args:
            arguments: of the command line.
            faults: what befalls it, as `_suffer` takes it; `kill_after`: seconds after which its whole process group
                is killed; `stdout`: a file in the place of the usual one; `stdin`: a file; `folder`: where it runs;
                `environment`: variables that are set.
        """
        assert self._process.stdin
        assert self._process.stdout
        asked = {"arguments": [*map(str, arguments)], "scratch": str(self.scratch), **faults}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        out = self.scratch / "out.txt"
        text = out.read_text(encoding="utf-8", errors="replace") if out.is_file() else ""
        return Ended(told["code"], text, (self.scratch / "err.txt").read_text(errors="replace"), told["seconds"])

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


CALLER = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as there:
    there.connect({address!r})
    place = {{"folder": os.getcwd(), "environment": dict(os.environ), "scratch": {scratch!r}}}
    asked = {{"arguments": sys.argv[1:], **place}}
    socket.send_fds(there, [json.dumps(asked).encode()], [0, 1, 2])
    there.shutdown(socket.SHUT_WR)
    sys.exit(int(there.recv(100)))
"""


@contextmanager
def warm_command(path: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """An executable that is called as `emovoz` is and forks its runs from one process; it is there until the end.

    Args:
        path: of the new file; a folder `warm` is made beside it.
        environment: variables of that process, by which libraries go as they are imported.
    """
    scratch = path.parent / "warm"
    scratch.mkdir()
    address = str(scratch / "socket")
    process = subprocess.Popen(
        [sys.executable, __file__, "20", address], env={**environment, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE
    )
    assert process.stdout
    try:
        assert process.stdout.readline() == b"ready\n"
        path.write_text(CALLER.format(python=sys.executable, address=address, scratch=str(scratch)))
        path.chmod(0o755)
        yield
    finally:
        process.kill()
        process.communicate()


def _answer(address: str) -> None:
    _import_everything()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            caller, _ = listening.accept()
            with caller:
                told, handles, *_ = socket.recv_fds(caller, 2**20, 3)
                while part := caller.recv(2**20):
                    told += part
                asked = json.loads(told)
                child = os.fork()
                if not child:
                    _become(asked, handles)
                for handle in handles:
                    os.close(handle)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                _import(Path(asked["scratch"]) / "modules.txt")
                caller.sendall(str(code % 256).encode())


def _serve() -> None:
    _import_everything()
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.monotonic()
        child = os.fork()
        if not child:
            _become(asked)
        with suppress(OSError):
            os.setpgid(child, child)
        killer = None
        if asked.get("kill_after") is not None:
            killer = threading.Timer(asked["kill_after"], _kill, [child])
            killer.start()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if killer:
            killer.cancel()
            killer.join()
        _import(Path(asked["scratch"]) / "modules.txt")
        print(json.dumps({"code": code, "seconds": time.monotonic() - started}), flush=True)


def _kill(child: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def _become(asked: dict[str, Any], handles: Sequence[int] = ()) -> None:
    """Be the command line, and end as it ends; with somebody's stdin, stdout and stderr, or with those it is told."""
    code: Any = 1
    scratch = Path(asked["scratch"])
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        (scratch / "out.txt").unlink(missing_ok=True)
        if not handles:
            write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            places = (asked.get("stdin", os.devnull), asked.get("stdout", str(scratch / "out.txt")))
            handles = [os.open(places[0], os.O_RDONLY), *(os.open(p, write) for p in (places[1], scratch / "err.txt"))]
        _speak_through(handles)
        os.chdir(asked.get("folder", "."))
        os.environ.update(asked.get("environment", {}))
        sys.argv = ["emovoz", *asked["arguments"]]
        _suffer(asked)

        from emovoz.program import main

        main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = code or 120
        with suppress(OSError):
            (scratch / "modules.txt").write_text("\n".join(sys.modules))
        os._exit(code)


def _import(modules: Path) -> None:
    """Import what a run has imported late, so that the next one need not."""
    if modules.is_file():
        for name in modules.read_text().split():
            if name not in sys.modules and name != "__main__":
                with suppress(Exception):
                    importlib.import_module(name)
        modules.unlink()
        gc.freeze()


def _speak_through(handles: Sequence[int]) -> None:
    for number, handle in enumerate(handles):
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        for number, mode in enumerate("rww")
    )


def _suffer(asked: dict[str, Any]) -> None:
    """Let befall this process what is asked.

    `file_bytes`: no file may be larger, those of its output among them. `user`: it loses its rights and is somebody
    else. `clock`: every look at it is so many seconds earlier than the last. `at`: [file operation, what is done just
    before it: `fill`, `delete` or `kill`, where]; an operation counts where its path has `within` in it.
    """
    if asked.get("file_bytes") is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["file_bytes"], asked["file_bytes"]))
    if asked.get("clock") is not None:
        _set_clock_back(asked["clock"])
    if asked.get("user") is not None:
        os.setresgid(asked["user"], asked["user"], asked["user"])
        os.setresuid(asked["user"], asked["user"], asked["user"])
    if asked.get("at") is not None:
        _watch(*asked["at"], within=asked["within"])


def _set_clock_back(step: float) -> None:
    now = time.time()
    looks = 0

    def earlier() -> float:
        nonlocal looks
        looks += 1
        return now - step * looks

    time.time = earlier


def _watch(number: int, action: str, place: str, *, within: str) -> None:
    import shutil

    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event != "open" and not event.startswith("os."):
            return
        if not any(within in str(one) for one in arguments):
            return
        left -= 1
        if left == -1:
            if action == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif action == "fill":
                fill_disk(Path(place), leave=0)
            else:
                shutil.rmtree(place, ignore_errors=True)

    sys.addaudithook(hook)


def fill_disk(folder: Path, leave: int) -> None:
    """Leave so many bytes free on a disk, by a file `ballast` in its folder."""
    ballast = folder / "ballast"
    with ballast.open("ab") as file:
        here = file.tell()
        disk = os.statvfs(folder)
        free = disk.f_bavail * disk.f_frsize
        if free < leave:
            file.truncate(max(0, here - (leave - free)))
        else:
            chunk = min(2**20, disk.f_frsize * 256)
            while free - leave >= disk.f_frsize:
                os.posix_fallocate(file.fileno(), here, min(chunk, (free - leave) // disk.f_frsize * disk.f_frsize))
                here = os.fstat(file.fileno()).st_size
                disk = os.statvfs(folder)
                free = disk.f_bavail * disk.f_frsize


def _import_everything() -> None:
    import torch

    from emovoz.training import pipeline

    torch.set_num_threads(1)
    assert pipeline.train.__kwdefaults__
    pipeline.train.__kwdefaults__["checkpoint_seconds"] = float(sys.argv[1])
    gc.freeze()


if __name__ == "__main__":
    if sys.argv[2:]:
        _answer(sys.argv[2])
    else:
        _serve()
