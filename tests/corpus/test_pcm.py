"""Sound through a pipe: every kind of wav and raw samples, as they come, whatever the header knows."""

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emovoz.corpus.pcm import Pcm, pcm_blocks, wav_header
from emovoz.errors import ClipError
from sounds import tone

RATE = 22050


def wav(tmp_path: Path, subtype: str = "PCM_16", form: str = "WAV", channels: int = 2) -> bytes:
    left = tone(RATE, 0.5)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([left, left / 2][:channels], axis=1), RATE, subtype=subtype, format=form)
    return path.read_bytes()


def heard(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    return np.concatenate(list(pcm_blocks(stream, wav_header(stream))))


@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_it_is_what_a_file_holds(tmp_path: Path, subtype: str, form: str) -> None:
    content = wav(tmp_path, subtype, form)
    expected, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    np.testing.assert_allclose(heard(content), expected.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("claim", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_header_that_does_not_know_the_length_is_read_to_the_end(tmp_path: Path, claim: int) -> None:
    content = wav(tmp_path)
    at = content.index(b"data") + 4
    unknown = content[:at] + struct.pack("<I", claim) + content[at + 4 :]
    np.testing.assert_array_equal(heard(unknown), heard(content))


def test_what_a_header_claims_beside_the_samples_is_not_kept(tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        """Zeros after a chunk of nearly 4 GiB has begun; it cannot give more than a little at once."""

        head, given = wav(tmp_path)[:12] + b"junk\xf0\xff\xff\xff", 0

        def read(self, size: int = -1) -> bytes:
            assert 0 <= size <= 1 << 20
            out, self.head = self.head[:size] or bytes(min(size, (64 << 20) - self.given)), self.head[size:]
            self.given += len(out)
            return out

    with pytest.raises(ClipError, match="truncated: it ends before its samples"):
        wav_header(Endless())  # type: ignore[arg-type]


def test_what_follows_the_samples_is_no_sound(tmp_path: Path) -> None:
    content = wav(tmp_path)
    np.testing.assert_array_equal(heard(content + b"LIST\x04\x00\x00\x00more"), heard(content))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content[: len(content) // 2], "truncated: .* bytes fewer"),
        (lambda content: content[:30], "truncated: it ends before its samples"),
        (lambda content: b"\x00" * 100, "no wav: raw samples need their rate"),
        (lambda content: content[:24] + struct.pack("<I", 1) + content[28:], "2 channels at 1 Hz: at least 1000 Hz"),
        (lambda content: content[:20] + b"\x06\x00" + content[22:], "of form 6: from a pipe, PCM and float"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, change: object, sentence: str) -> None:
    assert callable(change)
    with pytest.raises(ClipError, match=sentence):
        heard(change(wav(tmp_path)))


def test_raw_samples_arrive_before_the_pipe_is_closed() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as sender:
        blocks = pcm_blocks(stream, Pcm(16000, channels=2))
        # three bytes too many, which belong to the frame after
        sender.write(np.array([[16384, 0], [-16384, -16384]], "<i2").tobytes() + b"\x00\x40\x00")
        np.testing.assert_array_equal(next(blocks), [0.25, -0.5])
        sender.write(b"\x40")
        np.testing.assert_array_equal(next(blocks), [0.5])
