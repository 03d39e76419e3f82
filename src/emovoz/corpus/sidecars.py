"""Sidecars: the words of a recording in a text file of the same name beside it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from emovoz.corpus.class_folders import is_no_audio
from emovoz.corpus.clip import Clip
from emovoz.corpus.recording import Waveform, is_file
from emovoz.errors import ClipError
from emovoz.remote import RemoteFile

SUFFIX = ".txt"


def with_sidecar(clip: Clip, remote: RemoteFile | None = None) -> Clip:
    """The clip with the words beside its file, where it is a whole file, has no words, and there are some beside it.

    Beside a file at a URL, they are those of the `remote` text file, if one is given.

    A sidecar that cannot be read is a fault of the clip: to pass over words that were given would mislead.
    """
    said = (clip.transcription or "").strip()
    part = clip.start is not None or clip.end is not None
    if said or part or isinstance(clip.audio, Waveform | None):
        return clip
    sidecar = remote if isinstance(clip.audio, RemoteFile) else _beside(clip.audio)
    if sidecar is None or sidecar == clip.audio or not is_file(sidecar):
        return clip
    try:
        return replace(clip, transcription=_words(sidecar if isinstance(sidecar, Path) else sidecar.fetched()))
    except ClipError as error:
        return replace(clip, transcription_fault=f"{sidecar.name} beside it cannot be had: {error}")
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8; save it as UTF-8"
        return replace(clip, transcription_fault=f"{sidecar.name} beside it holds no words that can be read: {reason}")


def _beside(audio: Path) -> Path | None:
    return audio.with_suffix(SUFFIX) if audio.name else None


def without_sidecars(files: Iterable[Path]) -> Iterator[Path]:
    """The files but for those that hold the words of another."""
    there = list(files)
    recordings = {file.with_suffix("") for file in there if not is_no_audio(file)}
    yield from (file for file in there if file.suffix != SUFFIX or file.with_suffix("") not in recordings)


def _words(sidecar: Path) -> str:
    """The words in a text file; ValueError where it is no text in UTF-8."""
    text = sidecar.read_text(encoding="utf-8-sig")
    # UTF-16 without its mark can pass for UTF-8
    if "\0" in text:
        raise ValueError("no text")
    return " ".join(text.split())
