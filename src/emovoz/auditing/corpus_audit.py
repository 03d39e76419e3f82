"""audit: a corpus read, measured and checked, with everything that a person should know before training on it."""

import json
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emovoz.auditing.finding import Finding, Item, in_order
from emovoz.auditing.labels import label_findings
from emovoz.auditing.leakage import leakage_findings
from emovoz.auditing.rows import Source, places_of, read_sources, row_findings
from emovoz.auditing.sound import Sound, measure
from emovoz.auditing.sounds import sound_findings
from emovoz.auditing.summary import results_of
from emovoz.auditing.texts import text_findings
from emovoz.auditing.words import normalised
from emovoz.corpus.recording import Waveform
from emovoz.errors import ClipError
from emovoz.files import write_whole
from emovoz.progress import progress


@dataclass(frozen=True)
class Audit:
    """What is in a corpus (the schema of audit.json), and the findings, the most serious first."""

    results: dict[str, Any]
    findings: list[Finding]

    def save(self, directory: Path | str, title: str = "emovoz audit") -> None:
        """Write audit.json and audit.html."""
        from emovoz.auditing.page import write_page

        folder = Path(directory)
        write_whole(folder / "audit.json", json.dumps(self.results, ensure_ascii=False, indent=1) + "\n")
        write_page(self.results, folder / "audit.html", title=title)


def audit(
    data: Source | Sequence[Source] | Mapping[str, Source],
    audio_dir: Path | str | None = None,
    *,
    workers: int = 2,
) -> Audit:
    """Tell what is in a corpus and what is wrong with it; broken rows and files are findings, not errors.

    Args:
        data: a corpus, or a manifest as in `Corpus.from_manifest`; or several, each of them a split, by name or in a
            row. Where the column `split` says something, that counts.
        audio_dir: folder of the audio files of tables; by default they lie beside their table.
        workers: threads that decode and measure audio.

    Raises:
        InputError: a manifest that cannot be read at all.

    >>> from emovoz import Clip, Corpus
    >>> stuck = Clip("a", transcription="vamos a ver " * 20, label="joy")
    >>> found = audit(Corpus([stuck, Clip("b", transcription="no", label="fear")]))
    >>> [finding.what for finding in found.findings if finding.kind == "recognition_loop"]
    ['1 transcription repeats a phrase over and over']
    """
    names, items, faults = read_sources(data, None if audio_dir is None else Path(audio_dir))
    # times that are none cannot be measured, and a missing file is told as such
    unmeasured = places_of(faults, "audio", "times")
    items = [
        replace(item, words=None if item.clip.transcription is None else normalised(item.clip.transcription))
        for item in _measured(items, unmeasured, workers)
    ]
    # a row that is there twice is no second clip
    repeated = places_of(faults, "repeated_id")
    distinct = [item for item in items if item.place not in repeated]
    findings = in_order(
        [
            *row_findings(faults, items),
            *leakage_findings(distinct),
            *sound_findings(distinct),
            *text_findings(distinct),
            *label_findings(distinct),
        ]
    )
    return Audit(results_of(names, items, findings), findings)


def _measured(items: Sequence[Item], unmeasured: Collection[str], workers: int) -> list[Item]:
    """The same with what was measured, but for some places; every recording is read once, all its parts together."""
    parts: dict[object, list[int]] = {}
    for i, item in enumerate(items):
        audio = item.clip.audio
        if audio is not None and item.place not in unmeasured:
            parts.setdefault(id(audio) if isinstance(audio, Waveform) else audio, []).append(i)
    measured = list(items)
    with ThreadPoolExecutor(max(1, workers)) as pool, progress("measure", sum(map(len, parts.values()))) as advance:
        groups = list(parts.values())
        for group, sounds in zip(groups, pool.map(lambda group: _measure(items, group), groups), strict=True):
            for i, sound in zip(group, sounds, strict=True):
                if isinstance(sound, Sound):
                    measured[i] = replace(items[i], sound=sound)
                else:
                    measured[i] = replace(items[i], unheard=sound)
            advance(len(group))
    return measured


def _measure(items: Sequence[Item], group: Sequence[int]) -> list[Sound | ClipError]:
    clips = [items[i].clip for i in group]
    assert clips[0].audio is not None
    return measure(clips[0].audio, [(clip.start, clip.end) for clip in clips])
