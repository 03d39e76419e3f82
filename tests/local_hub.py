"""A small hub on this machine, which the real client of the Hugging Face hub talks to."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote


@contextmanager
def local_hub(
    repository: str, revisions: dict[str, Path], pull_requests: dict[int, str], *, breaks_off: int | None = None
) -> Iterator[str]:
    """Serve one repository; yields its endpoint.

    Args:
        repository: `owner/name`.
        revisions: the folder of each revision, such as `main` or `refs/pr/1`.
        pull_requests: their titles by number, all opened by the bot that converts weights.
        breaks_off: bytes of weights after which the connection ends, whatever was promised.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(self.path.partition("?")[0])
            api, files = f"/api/models/{repository}", f"/{repository}/resolve/"
            if path.startswith(f"{api}/revision/"):
                self._revision(path.removeprefix(f"{api}/revision/"))
            elif path.startswith(f"{api}/tree/"):
                self._tree(path.removeprefix(f"{api}/tree/"))
            elif path == f"{api}/discussions":
                self._discussions()
            elif path.startswith(files):
                self._file(path.removeprefix(files))
            else:
                self.send_error(404)

        def _revision(self, name: str) -> None:
            if name not in revisions:
                self.send_error(404)
                return
            files = [{"rfilename": file} for file in _files(revisions[name])]
            self._json({"id": repository, "sha": _commit(name), "siblings": files})

        def _tree(self, commit: str) -> None:
            (folder,) = (folder for name, folder in revisions.items() if commit in (name, _commit(name)))
            self._json(
                [
                    {"type": "file", "path": path, "size": file.stat().st_size, "oid": _digest(file.read_bytes())}
                    for path, file in _files(folder).items()
                ]
            )

        def _discussions(self) -> None:
            opened = [
                {
                    "num": number,
                    "title": title,
                    "status": "open",
                    "isPullRequest": True,
                    "author": {"name": "SFconvertbot"},
                    "createdAt": "2024-01-01T00:00:00.000Z",
                    "repo": {"name": repository, "type": "model"},
                }
                for number, title in pull_requests.items()
            ]
            self._json({"discussions": opened, "count": len(opened), "start": 0})

        def _file(self, path: str) -> None:
            for name, folder in revisions.items():
                for prefix in (_commit(name), name):
                    file = folder / path.removeprefix(f"{prefix}/")
                    if path.startswith(f"{prefix}/") and file.is_file():
                        data = file.read_bytes()
                        headers = {"ETag": f'"{_digest(data)}"', "X-Repo-Commit": _commit(name)}
                        headers["Content-Length"] = str(len(data))
                        self._send(data[:breaks_off] if file.suffix == ".safetensors" else data, headers)
                        return
            self.send_error(404)

        def _json(self, value: Any) -> None:
            self._send(json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _send(self, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _files(folder: Path) -> dict[str, Path]:
    return {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}


def _commit(revision: str) -> str:
    return _digest(revision.encode())


def _digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
