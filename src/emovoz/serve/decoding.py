"""Uploads decoded, within limits of length, memory and time."""

import re
import time
from pathlib import Path

import numpy as np

from emovoz.corpus import Waveform
from emovoz.corpus.audio import sound_of
from emovoz.corpus.recording import Recording, opened
from emovoz.errors import ClipError
from emovoz.serve.refusal import RequestError
from emovoz.serve.settings import USUAL_RATE, ServeSettings

LOWEST_RATE = 4000
"""Hz; below it nothing of speech is left."""
MOST_VALUES = 768_000
"""A second, in all channels together: 16 channels at 48 kHz, or 4 at 192 kHz."""
# a name ending in .raw would be taken for samples without a header
_SUFFIX = re.compile(r"\.(?!raw$)[a-z0-9]{1,5}$")


def decoded(path: Path, left: float, settings: ServeSettings) -> Waveform:
    """All of a file's audio, its channels averaged: float32 [time] at its own rate, as `load_audio` reads it.

    Args:
        path: the file.
        left: seconds of audio that the request may still hold.
        settings: the limits.

    Raises:
        ClipError: not audio, or of a kind that cannot be used.
        RequestError: too long, or it takes too long to decode.
    """
    deadline = time.monotonic() + settings.decode_timeout
    blocks = []
    with opened(path) as recording:
        _check_header(recording, left, settings)
        for block in sound_of(recording, None, None):
            blocks.append(block)
            if time.monotonic() > deadline:
                seconds = f"{settings.decode_timeout:g} s"
                raise RequestError(413, f"decoding takes longer than {seconds}; convert it to wav or flac")
    return Waveform(np.concatenate(blocks), recording.rate)


def suffix_of(name: str) -> str:
    """The ending of a file's name where it is one that may be used again, else nothing.

    >>> suffix_of("C:/my/Recording.M4A"), suffix_of("../../etc/passwd"), suffix_of("a.raw")
    ('.m4a', '', '')
    """
    found = _SUFFIX.search(name.lower())
    return found[0] if found else ""


def _check_header(recording: Recording, left: float, settings: ServeSettings) -> None:
    rate, channels = recording.rate, recording.channels
    if rate < LOWEST_RATE:
        raise ClipError(f"{rate} Hz: too low a rate for speech; at least {LOWEST_RATE} Hz are needed")
    if rate * channels > MOST_VALUES:
        kind = "one channel" if channels == 1 else f"{channels} channels"
        raise ClipError(f"{kind} at {rate} Hz: more than can be used; convert it to one at 16000 Hz")
    most = f"at most {settings.max_seconds:g} s in a request; cut it"
    if recording.seconds > left:
        raise RequestError(413, f"too long: {settings.max_seconds - left + recording.seconds:.6g} s of audio, {most}")
    if recording.seconds > left * USUAL_RATE / rate:
        raise RequestError(413, f"too long for its rate of {rate} Hz; convert it to 16000 Hz, and then {most}")
