"""What is wrong with the labels and speakers of a corpus."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from emovoz.auditing.finding import Example, Finding, Item, counted, listed, single

RARE = 30
"""Clips of a label below which its own score rests on a handful of test clips."""


def label_findings(items: Sequence[Item]) -> list[Finding]:
    """Rare labels, labels missing from splits or voiced by one speaker, speakers that are unknown."""
    labelled = [item for item in items if item.clip.label]
    if not labelled:
        none = Finding(
            "unlabelled", "note", "no clip has a label", len(items), "the column label is missing or empty",
            "Without labels a corpus can be predicted, not trained on or scored.",
        )  # fmt: skip
        return [none, *_speakers(items)]
    return [*_rare(labelled), *_missing_from_splits(labelled), *_speakers(items), *_by_speaker(labelled)]


def label_counts(items: Sequence[Item], key: str) -> dict[str, Counter[str]]:
    """How many clips of each label each `speaker` or `split` has; clips that name none are left out."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        group = item.split if key == "split" else item.clip.value(key)
        if group and item.clip.label:
            table[group][item.clip.label] += 1
    return dict(sorted(table.items()))


def _rare(labelled: Sequence[Item]) -> list[Finding]:
    counts = Counter(item.clip.label or "" for item in labelled)
    rare = {label: count for label, count in sorted(counts.items(), key=lambda one: one[1]) if count < RARE}
    if not rare:
        return []
    by_split = label_counts(labelled, "split")
    told = [f"{label} ({counted(count, 'clip')}, {100 * count / len(labelled):.1f} %)" for label, count in rare.items()]
    examples = [
        Example((), f"{label}: {listed(f'{split} {counts[label]}' for split, counts in by_split.items())}")
        for label in rare
    ]
    return [
        Finding(
            "rare_label",
            "warning",
            f"rare labels: {listed(told)}",
            sum(rare.values()),
            f"a label of fewer than {RARE} clips in all",
            "Macro-F1 weighs every label alike, so a few of these clips decide it: read its interval, "
            "collect more, or leave the label out (--exclude-label).",
            tuple(examples) if by_split else (),
        )
    ]


def _missing_from_splits(labelled: Sequence[Item]) -> list[Finding]:
    table = label_counts(labelled, "split")
    labels = sorted({item.clip.label or "" for item in labelled})
    lacking = {split: [label for label in labels if not counts[label]] for split, counts in table.items()}
    return [
        Finding(
            "label_missing_from_split",
            "warning",
            f"{split} has no clip of {listed(missing)}",
            0,
            "a label of another split does not occur in it",
            "A model cannot learn, and a test cannot score, a label that is not there.",
        )
        for split, missing in lacking.items()
        if missing
    ]


def _speakers(items: Sequence[Item]) -> list[Finding]:
    unknown = [item for item in items if not item.clip.speaker]
    if not unknown:
        return []
    everyone = len(unknown) == len(items)
    some = f"{counted(len(unknown), 'clip names', 'clips name')} no speaker"
    what = "no clip names its speaker" if everyone else some
    return [
        Finding(
            "speaker_unknown",
            "note" if everyone else "warning",
            what,
            len(unknown),
            "the column speaker is missing or empty",
            "Without it folds cannot keep voices apart, and scores may tell how well known voices are recognised.",
            () if everyone else single(unknown, lambda item: item.clip.label or ""),
        )
    ]


def _by_speaker(labelled: Sequence[Item]) -> list[Finding]:
    table = label_counts(labelled, "speaker")
    labels = sorted({item.clip.label or "" for item in labelled})
    if len(table) < 2 or len(labels) < 2:
        return []
    voices = {label: [name for name, counts in table.items() if counts[label]] for label in labels}
    alone = {label: names[0] for label, names in voices.items() if len(names) == 1}
    only = {name: next(iter(counts)) for name, counts in table.items() if len(counts) == 1}
    partial = {name: [one for one in labels if not counts[one]] for name, counts in table.items()}
    partial = {name: missing for name, missing in partial.items() if missing and name not in only}
    findings = []
    if alone:
        findings.append(
            Finding(
                "label_of_one_speaker",
                "warning",
                f"labels voiced by a single speaker: {listed(f'{label} ({name})' for label, name in alone.items())}",
                sum(table[name][label] for label, name in alone.items()),
                "all clips of a label that name a speaker name the same one",
                "Voice and label cannot be told apart: with this speaker held out, the label is never learned.",
            )
        )
    if only:
        findings.append(
            Finding(
                "speaker_of_one_label",
                "warning",
                f"{counted(len(only), 'speaker has', 'speakers have')} a single label",
                sum(sum(table[name].values()) for name in only),
                "all labelled clips of a speaker have the same label",
                "Their voice gives the label away: keep speakers apart in every split (--group speaker).",
                tuple(Example((), f"{name}: {label} {table[name][label]}") for name, label in only.items()),
            )
        )
    if partial:
        findings.append(
            Finding(
                "speaker_without_label",
                "note",
                f"{counted(len(partial), 'speaker lacks', 'speakers lack')} some of the labels",
                sum(sum(table[name].values()) for name in partial),
                "a speaker of several labels has no clip of another",
                "Scores by speaker are over the labels that each one has.",
                tuple(Example((), f"{name}: no {listed(missing)}") for name, missing in partial.items()),
            )
        )
    return findings
