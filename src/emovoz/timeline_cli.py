"""`predict --timeline`: recordings of any length, and sound that is still going on."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emovoz.errors import ClipError, InputError
from emovoz.progress import say

if TYPE_CHECKING:
    from emovoz import Clip, Recognizer
    from emovoz.inference.listening import Listener
    from emovoz.inference.timeline import Timeline

STREAM = "(stdin)"


@dataclass(frozen=True)
class TimelineOptions:
    """What the command line says of timelines; None where it says nothing.

    Attributes:
        out: folder for files.
        smooth: seconds within which neighbours count.
        limits: of an utterance, by name.
        stdin: `wav`, or the rate in Hz of raw samples of 16 bits, little-endian.
        channels: of raw samples.
    """

    out: Path | None
    smooth: float | None
    limits: Mapping[str, float | None]
    stdin: str | None
    channels: int

    def check(self, inputs: Sequence[str], text: str | None, form: str) -> None:
        """Raise InputError where a timeline cannot be made so."""
        from emovoz.files import check_folder
        from emovoz.inference.segment_lines import FORMS

        raw = self.stdin is not None and self.stdin != "wav"
        faults = {
            "--text: a text has no places in a recording": text is not None,
            f"--format {form}: choose {', '.join(FORMS[:-1])} or {FORMS[-1]}": form not in FORMS,
            "--out: writes files of every format, so leave out --format": self.out and form != "jsonl",
            "--out: is for recordings; the lines of --stdin are printed as they come": self.out and self.stdin,
            "--stdin: is heard alone, so leave out INPUT": self.stdin and inputs,
            f"--stdin {self.stdin}: wav, or the rate of raw 16-bit samples in Hz, such as 16000": raw
            and not (str(self.stdin).isdecimal() and int(str(self.stdin)) > 0),
            "--channels: is for raw samples, whose rate --stdin gives": self.channels != 1 and not raw,
        }
        if any(faults.values()):
            raise InputError(fault for fault, there in faults.items() if there)
        if self.out:
            check_folder(self.out)

    def check_unused(self) -> None:
        """Raise InputError where something is said of timelines, and none is wanted."""
        channels = None if self.channels == 1 else self.channels
        given = {"out": self.out, "smooth": self.smooth, **self.limits, "stdin": self.stdin, "channels": channels}
        faults = [f"--{name}: only with --timeline" for name, value in given.items() if value is not None]
        if faults:
            raise InputError(faults)

    def run(self, recognizer: "Recognizer", clips: Iterable["Clip"], form: str, **settings: Any) -> int:
        """Print or write timelines; the exit code.

        Args:
            recognizer: judges utterances.
            clips: recordings.
            form: of what is printed.
            settings: of `listener_of`.
        """
        from emovoz.inference.listening import listener_of
        from emovoz.utterances import Limits

        limits = Limits(**{name: value for name, value in self.limits.items() if value is not None})
        batch = {"batch_size": 1} if self.stdin else {}
        listener = listener_of(recognizer, limits=limits, smooth=self.smooth or 0.0, **{**settings, **batch})
        if self.stdin:
            return _print_stream(listener, self.stdin, self.channels, form)
        return _save_each(listener, clips, self.out) if self.out else _print_each(listener, clips, form)


def _print_each(listener: "Listener", clips: Iterable["Clip"], form: str) -> int:
    clips = iter(clips)
    first = list(islice(clips, 2 if form in ("srt", "audacity") else 0))
    if len(first) > 1:
        raise InputError(f"--format {form} is for one recording; --out DIR writes files for each of several")
    failed = False
    for i, timeline in enumerate(map(listener.timeline, chain(first, clips))):
        failed |= _tell(timeline)
        text = timeline.text(form)
        print(text.partition("\n")[2] if form == "csv" and i else text, end="", flush=True)
    return 2 if failed else 0


def _save_each(listener: "Listener", clips: Iterable["Clip"], out: Path) -> int:
    from emovoz.inference.timeline_files import ENDINGS, TimelineFolder

    folder, failed = TimelineFolder(out), False
    for clip in clips:
        place = folder.place(clip.id)
        timeline = listener.timeline(clip)
        failed |= _tell(timeline)
        if timeline.error is None or timeline.segments:
            folder.save(timeline, place)
            print(f"{place}{{{','.join(ENDINGS)}}}", flush=True)
    return 2 if failed else 0


def _print_stream(listener: "Listener", source: str, channels: int, form: str) -> int:
    from emovoz.corpus.audio import resampled
    from emovoz.corpus.pcm import Pcm, pcm_blocks, wav_header
    from emovoz.inference.listening import until_damaged
    from emovoz.inference.segment_lines import segment_lines
    from emovoz.utterances.speech import RATE

    stream, faults = sys.stdin.buffer, list[str]()
    try:
        pcm = wav_header(stream) if source == "wav" else Pcm(int(source), channels)
    except ClipError as error:
        raise InputError(f"{STREAM}: {error}") from error
    blocks = until_damaged(resampled(pcm_blocks(stream, pcm), pcm.rate, RATE), faults)
    for text in segment_lines(STREAM, listener.segments(blocks), listener.labels, form):
        print(text, end="", flush=True)
    for fault in faults:
        say(f"{STREAM}: {fault}")
    return 2 if faults else 0


def _tell(timeline: "Timeline") -> bool:
    """Say what came of a recording; whether it has an error."""
    from emovoz.pictures.clock import clock

    length, count = clock(timeline.seconds or 0.0), len(timeline.segments)
    if timeline.error is not None:
        say(f"{timeline.id}: {timeline.error}")
    elif not count:
        say(f"{timeline.id}: no speech in {length}")
    else:
        say(f"{timeline.id}: {count} utterance{'' if count == 1 else 's'} in {length}; as a whole {timeline.label}")
    return timeline.error is not None
