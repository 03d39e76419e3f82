"""Remote recordings looked at by many processes: what they hold and how long they are, not a sample of them kept."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from emovoz.corpus import Clip, Corpus
from emovoz.corpus.recording import opened
from emovoz.errors import ClipError
from emovoz.features.keys import file_digest
from emovoz.progress import progress
from emovoz.remote import AT_ONCE, Header, RemoteFile, copies_meanwhile
from emovoz.scale.cluster import Cluster

_TOGETHER = 64
"""Files of a task."""


def looked_at(corpus: Corpus, processes: Cluster) -> Corpus:
    """The same clips, the headers of their remote recordings known."""
    return Corpus(clips_looked_at(corpus, processes))


def clips_looked_at(clips: Iterable[Clip], processes: Cluster) -> list[Clip]:
    """The same clips, in order, the headers of their remote recordings known."""
    all_clips = list(clips)
    files = list(dict.fromkeys(clip.audio for clip in all_clips if isinstance(clip.audio, RemoteFile)))
    # a few are looked at here in less time than it takes to start a process
    here = len(files) <= _TOGETHER
    tasks = [files[k : k + _TOGETHER] for k in range(0, len(files), _TOGETHER)]
    found: dict[str, RemoteFile] = {}
    with progress("looking at remote audio", len(files)) as advance:
        for some in map(_look_at_each, tasks) if here else processes.run(_Looking(), tasks):
            found |= {file.url: file for file in some}
            advance(len(some))
    return [
        replace(clip, audio=found[clip.audio.url]) if isinstance(clip.audio, RemoteFile) else clip for clip in all_clips
    ]


class _Looking:
    def __call__(self) -> Callable[[list[RemoteFile]], list[RemoteFile]]:
        return _look_at_each


def _look_at_each(files: list[RemoteFile]) -> list[RemoteFile]:
    with copies_meanwhile(), ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(look, files))


def look(file: RemoteFile) -> RemoteFile:
    """A remote recording with its header, or with what is wrong with it."""
    try:
        copy = file.fetched()
        with opened(copy) as recording:
            header = Header(file_digest(copy), recording.rate, recording.frames, recording.channels, recording.form)
    except ClipError as error:
        return replace(file, fault=str(error))
    return replace(file, header=header)
