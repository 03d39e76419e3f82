"""More than five hundred requests that no service should have to bear, and it goes on as before."""

import re
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from abuse import Case, cases
from emovoz import Clip
from served import Served, counted, until

GROWTH = 400_000_000
"""Bytes: of samples that wait, as the service bounds them."""


def status_of(case: Case, host: str, port: int) -> int:
    """The status that a case is answered with; 0 where the connection ends without an answer."""
    with socket.create_connection((host, port), 60) as connection:
        try:
            connection.sendall(case.raw)
            connection.settimeout(case.patience)
            answer = connection.recv(65536)
        except (ConnectionError, BlockingIOError, TimeoutError):
            return 0
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found[1]) if found else 0


def test_it_bears_them_all_and_is_as_it_was(
    served: Served, client: httpx.Client, clips: list[Clip], tmp_path: Path
) -> None:
    good = {"audio": ("a.ogg", Path(str(clips[0].audio)).read_bytes())}
    before = client.post("/v1/predict", files=good).json()
    memory = counted(client, "process_resident_memory_bytes")
    address, port = client.base_url.host, client.base_url.port
    assert port is not None
    some = list(cases(f"{address}:{port}", 7, tmp_path))
    assert len(some) >= 500
    with ThreadPoolExecutor(8) as people:
        statuses = list(people.map(lambda case: status_of(case, address, port), some))
    failures = [(case.name, status) for case, status in zip(some, statuses, strict=True) if status >= 500]
    assert failures == []
    # they are answered, most of them with a refusal
    assert Counter(status // 100 for status in statuses)[4] > 300
    assert served.process.poll() is None
    until(lambda: client.get("/healthz").json() == {"status": "ok", "waiting": 0})
    assert client.post("/v1/predict", files=good).json() == before
    assert served.left() == []
    assert counted(client, "process_resident_memory_bytes") - memory < GROWTH
    assert [line for line in client.get("/metrics").text.splitlines() if re.search(r'status="5\d\d"', line)] == []
