"""Fingerprints of what a clip sounds like and says: 64 bits of a hash, by which it is known again and not restored."""

import hashlib

import numpy as np

from emovoz.corpus.audio import sound_of
from emovoz.corpus.clip import Clip
from emovoz.corpus.recording import opened
from emovoz.corpus.transcripts import normalised

BYTES = 8


def audio_fingerprint(clip: Clip) -> bytes | None:
    """Of the samples of a clip's part at their own rate, channels averaged, as 16-bit numbers; None without audio.

    So it is the same whatever the file is called and however it packs them; a lossy or resampled copy has another.

    Raises:
        ClipError: the audio cannot be used.
    """
    if clip.audio is None:
        return None
    with opened(clip.audio) as recording:
        digest = hashlib.sha256(f"{recording.rate} Hz".encode())
        for block in sound_of(recording, clip.start, clip.end):
            digest.update(as_16_bit(block))
    return digest.digest()[:BYTES]


def as_16_bit(samples: np.ndarray) -> bytes:
    """Samples from -1 to 1 as 16-bit numbers, by which sound is known again however a file packs it."""
    return np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tobytes()


def text_fingerprint(text: str | None) -> bytes | None:
    """Of the words of a text without case, punctuation and accents; None where there are none.

    >>> text_fingerprint("¡Qué alegría!") == text_fingerprint("que  ALEGRIA"), text_fingerprint("...")
    (True, None)
    """
    words = normalised(text or "")
    return hashlib.sha256(" ".join(words).encode()).digest()[:BYTES] if words else None
