"""What people hand over for prediction, turned into clips."""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TextIO

import numpy as np

from emovoz.corpus import Clip, Corpus, Waveform, seconds_of
from emovoz.corpus.class_folders import is_no_audio, visible_files
from emovoz.corpus.manifest import is_manifest
from emovoz.corpus.sidecars import SUFFIX, with_sidecar, without_sidecars
from emovoz.corpus.tables import READERS
from emovoz.errors import ClipError, InputError
from emovoz.remote import is_url, listing, stat

BATCH_SECONDS = 240
"""Of audio that is good to have in memory at once."""

_HIDDEN = re.compile(r"(^|/)\.")

LONGEST_LINE = 1 << 16
"""Characters; no path is so long."""

Inputs = str | Path | Waveform | np.ndarray | Clip | Corpus
"""A file, a folder or a manifest (.csv, .tsv, .parquet, .jsonl), here or at a URL; samples in memory; or clips."""


def clips_of(
    inputs: Inputs | Iterable[Inputs], *, audio_dir: Path | str | None = None, rate: int | None = None
) -> Iterator[Clip]:
    """Clips of whatever is given, in order; a folder is walked through, file by file, by name.

    A file's id is its path as given; in a folder, its path in there, after the folder's own where several are given.
    A text file of the same name beside a recording holds its words, unless a manifest tells them.

    Args:
        inputs: one input or several.
        audio_dir: folder of a manifest's audio.
        rate: of samples that come as arrays [time] or [time, channel], Hz.

    Raises:
        InputError: a manifest with faults, an empty folder, or samples without their rate.
    """
    if isinstance(inputs, str) and is_url(inputs):
        yield from _at_url(inputs, audio_dir)
    elif isinstance(inputs, Iterable) and not isinstance(inputs, str | np.ndarray | Corpus):
        for i, one in enumerate(inputs):
            folder = _folder_of(one)
            if folder:
                # the same file name may be in several folders
                yield from (replace(clip, id=f"{folder}/{clip.id}") for clip in clips_of(one, audio_dir=audio_dir))
            elif isinstance(one, Waveform | np.ndarray):
                yield Clip(f"(samples {i})", _waveform(one, rate))
            else:
                yield from clips_of(one, audio_dir=audio_dir)
    elif isinstance(inputs, Corpus):
        yield from inputs
    elif isinstance(inputs, Clip):
        yield inputs
    elif isinstance(inputs, Waveform | np.ndarray):
        yield Clip("(samples)", _waveform(inputs, rate))
    elif not isinstance(inputs, str | Path):
        raise InputError(
            f"not something to predict: {type(inputs).__name__}; a path, an array with its rate, or a Clip"
        )
    elif Path(inputs).is_dir():
        yield from _folder(Path(inputs))
    elif is_manifest(Path(inputs)):
        yield from map(with_sidecar, Corpus.from_manifest(inputs, audio_dir, audio=False, labels=False))
    else:
        yield with_sidecar(Clip(str(inputs), Path(inputs)))


def _at_url(url: str, audio_dir: Path | str | None) -> Iterator[Clip]:
    """Clips of a manifest, a file or a folder at a URL."""
    if PurePosixPath(url).suffix.lower() in READERS:
        yield from map(with_sidecar, Corpus.from_manifest(url, audio_dir, audio=False, labels=False))
        return
    file = stat(url)
    if file.state is not None:
        yield with_sidecar(Clip(url, file))
        return
    files = {name: one for name, one in listing(url).items() if not _HIDDEN.search(name)}
    recordings = {str(PurePosixPath(name).with_suffix("")) for name in files if not is_no_audio(Path(name))}
    for name, one in files.items():
        sidecar = name.endswith(SUFFIX) and name.removesuffix(SUFFIX) in recordings
        if not sidecar:
            words = files.get(str(PurePosixPath(name).with_suffix(SUFFIX)))
            yield with_sidecar(Clip(name, one), words)
    if not files:
        raise InputError(f"{url}: no files there")


def _folder_of(one: Inputs) -> str | None:
    """How a folder is called, None where it is none."""
    if isinstance(one, str) and is_url(one):
        table = PurePosixPath(one).suffix.lower() in READERS
        return None if table or stat(one).state is not None else one.rstrip("/")
    return Path(one).as_posix() if isinstance(one, str | Path) and Path(one).is_dir() else None


def _waveform(samples: Waveform | np.ndarray, rate: int | None) -> Waveform:
    if isinstance(samples, Waveform):
        return samples
    if rate is None:
        raise InputError(
            "samples in an array need their rate: predict(samples, rate=16000), or Waveform(samples, 16000)"
        )
    return Waveform(samples, rate)


def with_text(clips: Iterable[Clip], text: str | None) -> Iterator[Clip]:
    """The one clip there is, with its words.

    Raises:
        InputError: a text is given for more than one clip.
    """
    for i, clip in enumerate(clips):
        if text is not None and i:
            raise InputError("a text can be given for one clip only; put the texts of several into a manifest")
        yield clip if text is None else replace(clip, transcription=text, word_times=None, transcription_fault=None)


def seconds_heard(clip: Clip) -> float | None:
    """Length of a clip's audio to a millisecond; None without any."""
    return None if clip.audio is None else round(seconds_of(clip.audio, start=clip.start, end=clip.end), 3)


def batches(clips: Iterable[Clip], size: int) -> Iterator[list[Clip]]:
    """Batches of at most so many clips, and of not much more audio than is good to have in memory at once."""
    batch: list[Clip] = []
    heard = 0.0
    for clip in clips:
        batch.append(clip)
        # what is wrong with a clip is told where it is encoded
        with suppress(ClipError):
            heard += seconds_heard(clip) or 0.0
        if len(batch) == size or heard > BATCH_SECONDS:
            yield batch
            batch, heard = [], 0.0
    if batch:
        yield batch


def with_stdin(inputs: Iterable[str]) -> Iterator[str]:
    """The inputs, and in the place of `-` the paths on stdin, a line each.

    Raises:
        InputError: what is on stdin is no list of paths.
    """
    for one in inputs:
        if one == "-":
            yield from (line.rstrip("\r\n") for line in _lines(sys.stdin) if line.strip())
        else:
            yield one


def _lines(stream: TextIO) -> Iterator[str]:
    """The lines of a list of paths; anything else is told before all of it is in memory."""
    while line := stream.readline(LONGEST_LINE):
        if "\0" in line or len(line) == LONGEST_LINE:
            raise InputError("stdin: no paths, a line each; sound is heard there by --timeline --stdin wav|RATE")
        yield line


def _folder(folder: Path) -> Iterator[Clip]:
    files = list(without_sidecars(visible_files(folder)))
    if not files:
        raise InputError(f"{folder}: no files in this folder")
    for path in files:
        yield with_sidecar(Clip(path.relative_to(folder).as_posix(), path))
