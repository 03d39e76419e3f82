"""Reading what is to be audited: clips with the split they belong to, and what is wrong with their rows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from emovoz.auditing.finding import Example, Finding, Item, counted, example, single
from emovoz.corpus import Clip, Corpus
from emovoz.corpus.manifest import RowFault, check_manifest, labels_alike, labels_mistyped
from emovoz.errors import InputError

Source = Corpus | Path | str
RowExample = tuple[str, Example]
"""The kind of fault, and the row that has it."""

# of each kind of fault: what several rows have, and what to do
_ROWS = {
    "unreadable": ("{rows} that cannot be read", "Mend or delete the rows: they stop every training."),
    "id": ("{rows} without an id", "Give each clip a name of its own; without a column audio it names the file."),
    "audio": (
        "{rows} whose audio file is missing",
        "Bring the files, correct the names (an id is the whole name of the file), or delete the rows.",
    ),
    "content": ("{rows} with neither audio nor a transcription", "Delete the rows, or say what belongs to them."),
    "times": ("{rows} whose start or end is no part of a recording", "Correct the times: seconds, end after start."),
    "word_times": ("{rows} whose word times do not fit their words", "Correct or empty the cells word_times."),
    "repeated_id": (
        "{rows} with an id that is already taken",
        "Delete the repetition, or rename one: results name clips by their id.",
    ),
    "repeated_audio": (
        "{rows} with audio that an earlier row has",
        "Keep one row of each recording, or of each part of it.",
    ),
}


def read_sources(
    data: Source | Sequence[Source] | Mapping[str, Source], audio_dir: Path | None
) -> tuple[list[str], list[Item], list[RowExample]]:
    """Names of what was read, its clips, and its rows' faults by kind.

    Raises:
        InputError: a manifest that cannot be read at all, or there is none.
    """
    named = _named(data)
    if not named:
        raise InputError("nothing to audit: name a manifest")
    items: list[Item] = []
    faults: list[RowExample] = []
    broken: list[str] = []
    for name, source in named.items():
        split, before = (name, f"{name} ") if len(named) > 1 else (None, "")
        try:
            clips, wrong = _read(source, audio_dir)
        except InputError as error:
            broken += error.faults
            continue
        items += [Item(clip, before + _place(clip, i), clip.split or split) for i, clip in enumerate(clips, start=1)]
        faults += [(one.kind, Example(((before + one.place, one.id or ""),), one.text)) for one in wrong]
    if broken:
        raise InputError(broken)
    return list(named), items, faults


def row_findings(faults: Sequence[RowExample], items: Sequence[Item]) -> list[Finding]:
    """A finding for each kind of fault that rows have."""
    by_kind = defaultdict(list)
    for kind, one in faults:
        by_kind[kind].append(one)
    # the same content is found by its samples, where these could be read
    unheard = {item.place for item in items if item.sound is None}
    by_kind["repeated_audio"] = [one for one in by_kind["repeated_audio"] if one.clips[0][0] in unheard]
    findings = []
    for kind, (what, advice) in _ROWS.items():
        rows = by_kind[kind]
        if rows:
            said = what.format(rows=counted(len(rows), "row"))
            rule = "what every verb that reads a manifest refuses"
            findings.append(Finding(f"row_{kind}", "error", said, len(rows), rule, advice, tuple(rows)))
    return findings + _without_audio(items, faults) + _labels_in_doubt(items)


def places_of(faults: Sequence[RowExample], *kinds: str) -> set[str]:
    """The places of the rows that have faults of these kinds."""
    return {example.clips[0][0] for kind, example in faults if kind in kinds}


def _read(source: Source, audio_dir: Path | None) -> tuple[Sequence[Clip], list[RowFault]]:
    if isinstance(source, Corpus):
        return source.clips, []
    return check_manifest(Path(source), audio_dir, need_audio=audio_dir is not None, need_labels=False)


def _named(data: Source | Sequence[Source] | Mapping[str, Source]) -> dict[str, Source]:
    if isinstance(data, Mapping):
        return dict(data)
    sources: list[Source] = [data] if isinstance(data, Corpus | Path | str) else list(data)
    short = [Path(one).stem if isinstance(one, Path | str) else f"corpus {i}" for i, one in enumerate(sources, start=1)]
    names = short if len(set(short)) == len(short) else [str(one) for one in sources]
    if len(set(names)) < len(names):
        raise InputError(f"{name}: given twice" for name in sorted({name for name in names if names.count(name) > 1}))
    return dict(zip(names, sources, strict=True))


def _place(clip: Clip, number: int) -> str:
    """Where a clip was read, without its file: that has a name of its own."""
    return clip.place.partition(": ")[2] if clip.place else f"clip {number}"


def _without_audio(items: Sequence[Item], faults: Sequence[RowExample]) -> list[Finding]:
    told = places_of(faults, *_ROWS)
    without = [item for item in items if item.clip.audio is None and item.place not in told]
    if not without or len(without) == len(items):
        return []
    return [
        Finding(
            "no_audio",
            "warning",
            f"{counted(len(without), 'clip has', 'clips have')} no audio, though others have",
            len(without),
            "no file named by the column audio or by the id lies in the folder of audio",
            "Name the folder with --audio-dir to be told of every missing file.",
            single(without, lambda item: item.clip.label or ""),
        )
    ]


def _labels_in_doubt(items: Sequence[Item]) -> list[Finding]:
    clips = [item.clip for item in items]
    sentences = {"labels_alike": labels_alike(clips), "labels_mistyped": labels_mistyped(clips)}
    unlabelled = [item for item in items if not item.clip.label]
    findings = [
        Finding(
            kind,
            "warning",
            sentence,
            0,
            "labels are compared letter by letter",
            "Write each label in one way; every spelling is a class of its own.",
        )
        for kind, found in sentences.items()
        for sentence in found
    ]
    if unlabelled and len(unlabelled) < len(items):
        # a whole split without labels is a test set
        splits = {item.split for item in unlabelled}
        whole = not any(item.clip.label for item in items if item.split in splits) and None not in splits
        findings.append(
            Finding(
                "no_label",
                "note" if whole else "warning",
                f"{counted(len(unlabelled), 'clip has', 'clips have')} no label"
                + (f": all of {', '.join(sorted(filter(None, splits)))}" if whole else ""),
                len(unlabelled),
                "the cell label is empty, though other clips have one",
                "Label them or leave them out: training refuses them, evaluate predicts and does not score them.",
                () if whole else tuple(example(item, "") for item in unlabelled),
            )
        )
    return findings
