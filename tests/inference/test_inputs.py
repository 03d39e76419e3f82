"""What stands in for inputs: paths on stdin, and what is there in their place."""

import io
import sys

import pytest

from emovoz import InputError
from emovoz.inference.inputs import with_stdin

MEGABYTE = 1_000_000


def test_paths_on_stdin_are_read_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a.wav\n\n \nb c.wav\r\nd.wav"))
    assert list(with_stdin(["x.wav", "-"])) == ["x.wav", "a.wav", "b c.wav", "d.wav"]


@pytest.mark.parametrize("content", [b"RIFF\x00\x00", b"sound"], ids=["binary", "a line without end"])
def test_sound_on_stdin_is_no_list_of_paths_and_not_taken_into_memory(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO(content * 5 * MEGABYTE)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape"))
    with pytest.raises(InputError, match=r"stdin: no paths.* --timeline --stdin wav\|RATE"):
        list(with_stdin(["-"]))
    assert stream.tell() < MEGABYTE
