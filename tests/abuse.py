"""Requests that no service should have to bear: damaged media, malformed forms, clients that misbehave."""

import gzip
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from sounds import FORMATS, tone

BOUNDARY = "x-boundary-x"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Case:
    """A request, as the bytes that are sent.

    Attributes:
        name: what is wrong with it.
        raw: all of it.
        patience: seconds for which its client waits for an answer; where it has sent half a request, there is none.
    """

    name: str
    raw: bytes
    patience: float = 60.0


def cases(host: str, seed: int, folder: Path) -> Iterator[Case]:
    """Some 560 of them, the same for the same seed; made files lie in the folder meanwhile."""
    rng = random.Random(seed)
    files = sound_files(folder)
    for name, content in [*_headers_that_lie(), *_bombs(), *_not_audio(rng), *_damaged(files, rng)]:
        yield Case(name, post(host, content))
    wav = files["wav"]
    for name, body, kind in _forms(wav, rng):
        yield Case(name, post(host, body, kind=kind))
    for name in _file_names(rng):
        yield Case(f"file name {name!r}", post(host, form(part("audio", wav[:200], filename=name)), kind=MULTIPART))
    for name, raw in _http(host, wav, rng):
        yield Case(name, raw, patience=1.0)
    for i in range(40):
        whole = post(host, wav)
        yield Case(f"leaves {i}", whole[: rng.randrange(1, len(whole))], patience=0.0)


def post(host: str, body: bytes, *, kind: str = "audio/wav", path: str = "/v1/predict", more: str = "") -> bytes:
    """A request to judge."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n{more}\r\n".encode() + body


def part(name: str, content: bytes, *, filename: str | None = None, more: bytes = b"") -> bytes:
    """A part of a form."""
    given = "" if filename is None else f'; filename="{filename}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{given}\r\n'
    return head.encode(errors="surrogatepass") + more + b"\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A form of these parts."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def sound_files(folder: Path) -> dict[str, bytes]:
    """A short sound in every format."""
    found = {}
    for name, how in FORMATS.items():
        path = folder / f"sound.{name}"
        soundfile.write(path, tone(16000, 0.2), 16000, format=how.container, subtype=how.subtype)
        found[name] = path.read_bytes()
    for kind, subtype in (("AIFF", "PCM_16"), ("AU", "ULAW"), ("W64", "FLOAT"), ("CAF", "ALAW"), ("RF64", "PCM_24")):
        content = io.BytesIO()
        soundfile.write(content, tone(16000, 0.2), 16000, format=kind, subtype=subtype)
        found[kind.lower()] = content.getvalue()
    return found


def wav(rate: int, channels: int, bits: int, claimed: int, content: bytes, code: int = 1) -> bytes:
    """A wav whose header says what it is told to."""
    width = channels * bits // 8
    fields = struct.pack("<HHIIHH", code, channels, rate & 0xFFFFFFFF, rate * width & 0xFFFFFFFF, width & 0xFFFF, bits)
    return (
        b"RIFF"
        + struct.pack("<I", (claimed + 36) & 0xFFFFFFFF)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fields
        + (b"data" + struct.pack("<I", claimed & 0xFFFFFFFF) + content)
    )


def _headers_that_lie() -> Iterator[tuple[str, bytes]]:
    samples = (8000 * tone(16000, 0.1)).astype("<i2").tobytes()
    for rate in (0, 1, 7, 100, 3999, 768_001, 10_000_000, 2**31 - 1, 2**32 - 1):
        yield f"{rate} Hz", wav(rate, 1, 16, len(samples), samples)
    for channels in (0, 3, 255, 1024, 65535):
        yield f"{channels} channels", wav(16000, channels, 16, len(samples), samples)
    for bits in (0, 1, 7, 12, 64, 255):
        yield f"{bits} bits", wav(16000, 1, bits, len(samples), samples)
    for claimed in (0, 1, len(samples) * 2, 2**31, 2**32 - 1):
        yield f"claims {claimed} bytes", wav(16000, 1, 16, claimed, samples)
    for code in (0, 2, 3, 6, 17, 85, 0xFFFE):
        yield f"codec {code}", wav(16000, 1, 16, len(samples), samples, code)
    for value in (np.nan, np.inf, -np.inf, 1e38):
        content = np.full(1600, value, "<f4").tobytes()
        yield f"samples of {value}", wav(16000, 1, 32, len(content), content, 3)


def _bombs() -> Iterator[tuple[str, bytes]]:
    for kind, subtype, rate, channels, minutes in (
        ("FLAC", "PCM_16", 4000, 1, 480),
        ("FLAC", "PCM_16", 192_000, 4, 4),
        ("FLAC", "PCM_16", 655_350, 8, 1),
        ("OGG", "VORBIS", 8000, 1, 20),
        ("OGG", "OPUS", 8000, 1, 20),
    ):
        content = io.BytesIO()
        with soundfile.SoundFile(content, "w", rate, channels, format=kind, subtype=subtype) as file:
            for _ in range(minutes * 6):
                file.write(np.zeros((10 * rate, channels), np.int16))
        yield f"{minutes} minutes of silence in {kind} {subtype}", content.getvalue()
    nothing = gzip.compress(bytes(20_000_000))
    yield "gzip of nothing", nothing
    yield "gzip of gzip of nothing", gzip.compress(nothing)


def _not_audio(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    magics = (
        b"RIFF",
        b"fLaC",
        b"OggS",
        b"ID3\x03",
        b"\xff\xfb\x90",
        b"FORM",
        b".snd",
        b"\x1aE\xdf\xa3",
        b"\0\0\0\x20ftypM4A ",
    )
    for magic in (
        *magics,
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<svg/>",
        b"PK\x03\x04",
    ):
        for length in (0, 40, 4000):
            yield f"{magic[:4]!r} and {length} bytes", magic + rng.randbytes(length)
    for length in (1, 2, 3, 10, 100, 1000, 100_000):
        for i in range(3):
            yield f"{length} random bytes ({i})", rng.randbytes(length)


def _damaged(files: dict[str, bytes], rng: random.Random) -> Iterator[tuple[str, bytes]]:
    ways: dict[str, Callable[[bytes], bytes]] = {
        "cut": lambda content: content[: rng.randrange(1, len(content))],
        "bits flipped": lambda content: _flipped(content, rng, max(1, len(content) // 300)),
        "head flipped": lambda content: _flipped(content[:80], rng, 4) + content[80:],
        "a hole": lambda content: _hole(content, rng),
        "head of another": lambda content: rng.choice(list(files.values()))[:60] + content[60:],
        "repeated": lambda content: content + content[: rng.randrange(1, len(content))],
    }
    for kind, content in files.items():
        for way, damage in ways.items():
            for i in range(4):
                yield f"{kind}, {way} ({i})", damage(content)


def _flipped(content: bytes, rng: random.Random, count: int) -> bytes:
    changed = bytearray(content)
    for _ in range(count):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _hole(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + bytes(min(64, len(content) - start)) + content[start + 64 :]


def _forms(sound: bytes, rng: random.Random) -> Iterator[tuple[str, bytes, str]]:
    good = form(part("audio", sound, filename="a.wav"))
    yield "no boundary", good, "multipart/form-data"
    yield "empty boundary", good, "multipart/form-data; boundary="
    yield "another boundary", good, "multipart/form-data; boundary=other"
    yield "boundary too long", good, f"multipart/form-data; boundary={'b' * 5000}"
    yield "form without parts", form(), MULTIPART
    yield "form without a body", b"", MULTIPART
    yield "no end", part("audio", sound, filename="a.wav"), MULTIPART
    yield "no name", form(part("audio", sound).replace(b'name="audio"', b"")), MULTIPART
    yield "audio without a file name", form(part("audio", sound)), MULTIPART
    yield "a thousand fields", form(*(part(f"f{i}", b"x") for i in range(1000))), MULTIPART
    yield "a hundred files", form(*(part("audio", b"x", filename="a.wav") for _ in range(100))), MULTIPART
    yield "huge text", form(part("text", b"x" * 3_000_000)), MULTIPART
    yield (
        "huge part header",
        form(part("audio", sound, filename="a.wav", more=b"X: " + b"y" * 100_000 + b"\r\n")),
        MULTIPART,
    )
    yield "many part headers", form(part("audio", sound, filename="a.wav", more=b"X: y\r\n" * 20_000)), MULTIPART
    for charset in ("utf-7", "utf-16", "undefined", "idna", "punycode", "rot13", "zlib", "nonsense", "\x00"):
        kind = f"{MULTIPART}; charset={charset}"
        yield f"charset {charset!r}", form(part("text", b"+2AA- \xff\xfe ol\xe9")), kind
    for text in (b"\x00" * 50, b"\xff\xfe\xfd", b"\xed\xa0\x80", "‮​".encode() * 100, "🫠".encode() * 2000, b" \t\n"):
        yield f"text {text[:8]!r}", form(part("text", text), part("audio", sound[:99], filename="a.wav")), MULTIPART
    for option in ("timeline", "transcribe"):
        for value in (b"", b"2", b"\xff", b"true" * 1000):
            yield f"{option} {value[:8]!r}", form(part(option, value), part("audio", b"x", filename="a.wav")), MULTIPART
    for kind in (
        "",
        "text/html",
        "audio/wav; x",
        ";;;",
        "application/json",
        "application/x-www-form-urlencoded",
        "a" * 3000,
    ):
        yield f"content type {kind[:30]!r}", sound[:500], kind
    for i in range(60):
        yield f"form with bits flipped ({i})", _flipped(good[:300], rng, 3) + good[300:], MULTIPART


def _file_names(rng: random.Random) -> Iterator[str]:
    yield from (
        "../../../../etc/passwd",
        "/etc/passwd",
        "..\\..\\boot.ini",
        "C:\\a.wav",
        "a.wav/../../b",
        "~/a.wav",
        "-rf",
        ".",
    )
    yield from (
        "..",
        "",
        " ",
        "a" * 4000,
        "a.wav%00.txt",
        "http://127.0.0.1:1/a.wav",
        "file:///etc/passwd",
        "|ls",
        "$(ls)",
    )
    yield from (
        "a.raw",
        "a.RAW",
        "a.wav.raw",
        "concat:a|b",
        "con",
        "nul.wav",
        "a\tb.wav",
        "<script>alert(1)</script>.wav",
        "‮vaw.a",
    )
    yield from (
        "".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(160, 0xD800)))) for _ in range(12)).replace(
            '"', ""
        )
        for _ in range(20)
    )


def _http(host: str, sound: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "BREW", "post"):
        yield f"method {method}", post(host, b"").replace(b"POST", method.encode(), 1)
    for path in (
        "/v1/../etc/passwd",
        "//v1/predict",
        "/v1/predict/",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/predict%00",
        "/" + "a" * 9000,
        "*",
    ):
        yield f"path {path[:30]}", post(host, sound, path=path)
    for query in ("text=" + "x" * 20_000, "text=%ff%fe", "text=a&text=b", "timeline=maybe", "&&&===", "text=%ED%A0%80"):
        yield f"query {query[:20]}", post(host, sound[:300], path=f"/v1/predict?{query}")
    for name in ("evil.example", "", "a" * 5000, "localhost@evil.example", "[", "127.0.0.1:99999999"):
        yield f"host {name[:20]!r}", post(name, sound)
    for more in (
        "Content-Encoding: gzip\r\n", "Content-Encoding: br, gzip\r\n", "Origin: http://evil.example\r\n", "Origin: http://[\r\n",
        "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n", "Expect: 100-continue\r\n", "Expect: tea\r\n",
        "Content-Length: 5\r\n", "Upgrade: websocket\r\nConnection: Upgrade\r\n", "X: " + "y" * 200_000 + "\r\n",
        "".join(f"X-{i}: y\r\n" for i in range(5000)), "no colon\r\n", "X: \x01\r\n", "Authorization: Basic \xff\r\n",
    ):  # fmt: skip
        yield f"header {more[:30]!r}", post(host, sound, more=more)
    body = zlib.compress(bytes(100_000))
    yield "deflated body", post(host, body, more="Content-Encoding: deflate\r\n")
    head = f"POST /v1/predict HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    for length in ("-1", "1e3", "99999999999999999999", "0x10", "", "100000000000"):
        yield f"length {length!r}", f"{head}Content-Length: {length}\r\n\r\n".encode() + sound
    for chunks in (
        b"zz\r\n",
        b"-1\r\n\r\n",
        b"5\r\nabc\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nx",
        b"3;" + b"e" * 30_000 + b"\r\nabc\r\n0\r\n\r\n",
    ):
        yield f"chunks {chunks[:10]!r}", f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks
    for i in range(25):
        yield f"random request ({i})", rng.randbytes(rng.randrange(1, 2000)) + b"\r\n\r\n"
    for i in range(25):
        yield f"request with bits flipped ({i})", _flipped(post(host, sound[:300]), rng, 6)
