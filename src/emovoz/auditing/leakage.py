"""What several splits share, and audio that is there twice."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

from emovoz.auditing.finding import Example, Finding, Item, Severity, counted, example, listed, single
from emovoz.auditing.texts import quoted, same_words
from emovoz.auditing.words import SEQUENCE, SHARED, SHORTEST_NEAR, Near, near_duplicates

_LEAK = "What is learned in one split is asked in the other: "


def leakage_findings(items: Sequence[Item]) -> list[Finding]:
    """Audio that is there twice, and what splits share: clips, sentences, near-duplicates, speakers, ids."""
    findings = _same_audio(items)
    if len({item.split for item in items if item.split}) < 2:
        return findings
    return [
        *findings,
        *_without_split(items),
        *_shared_ids(items),
        *_shared_words(items),
        *_near_words(items),
        *_shared_speakers(items),
    ]


def _same_audio(items: Sequence[Item]) -> list[Finding]:
    by_digest = defaultdict(list)
    for item in items:
        if item.sound:
            by_digest[item.sound.digest].append(item)
    groups = [own for own in by_digest.values() if len(own) > 1]
    # a group is told once, as the worst that it is
    across = [own for own in groups if len(_splits(own)) > 1]
    rest = [own for own in groups if own not in across]
    labels = [own for own in rest if len({item.clip.label for item in own if item.clip.label}) > 1]
    plain = [own for own in rest if own not in labels]
    kinds: tuple[tuple[str, Severity, list[list[Item]], str, str], ...] = (
        ("audio_across_splits", "error", across, "the same audio in several splits", _LEAK + "delete it from one."),
        ("audio_of_two_labels", "error", labels, "the same audio under different labels", "Hear it, and decide."),
        ("duplicate_audio", "warning", plain, "audio that is there twice", "Keep one: copies count twice."),
    )
    rule = (
        "decoded samples that are equal as 16-bit numbers, whatever the files are called; other encodings are not found"
    )
    return [
        Finding(
            kind,
            severity,
            f"{what}: {counted(sum(map(len, found)), 'clip')}, {counted(len(found), 'recording')}",
            sum(map(len, found)),
            rule,
            advice,
            tuple(example(_each_split_first(own), _told(own)) for own in found),
        )
        for kind, severity, found, what, advice in kinds
        if found
    ]


def _without_split(items: Sequence[Item]) -> list[Finding]:
    without = [item for item in items if not item.split]
    if not without:
        return []
    return [
        Finding(
            "no_split",
            "warning",
            f"{counted(len(without), 'clip belongs', 'clips belong')} to no split, though others do",
            len(without),
            "the cell split is empty",
            "Say where they belong; no split is compared with them.",
            single(without, lambda item: item.clip.label or ""),
        )
    ]


def _shared_words(items: Sequence[Item]) -> list[Finding]:
    shared = {words: own for words, own in same_words(items).items() if len(_splits(own)) > 1}
    if not shared:
        return []
    ordered = sorted(shared.items(), key=lambda one: (-len(one[0]), one[0]))
    pairs = _by_pair([_splits(own) for own in shared.values()])
    return [
        Finding(
            "words_across_splits",
            "warning",
            f"splits share transcriptions: {_pairs_told(pairs)}",
            sum(map(len, shared.values())),
            "transcriptions that are equal but for case, punctuation and accents",
            _LEAK + "delete them from one, unless everybody says the same sentences.",
            tuple(example(_each_split_first(own), f"{quoted(words)}: {_told(own)}") for words, own in ordered),
        )
    ]


def _near_words(items: Sequence[Item]) -> list[Finding]:
    groups = list(same_words(items).items())
    near = near_duplicates([words for words, _ in groups])
    found = []
    for pair in near:
        one, other = groups[pair.shorter][1], groups[pair.longer][1]
        if len(_splits([*one, *other])) > 1 and not _splits(one) & _splits(other):
            found.append((pair, one[0], other[0]))
    found.sort(key=lambda one: (-one[0].share, one[1].place))
    if not found:
        return []
    pairs = _by_pair([_splits([one, other]) for _, one, other in found])
    return [
        Finding(
            "near_words_across_splits",
            "warning",
            f"splits share transcriptions that are nearly the same: {_pairs_told(pairs)}",
            len({item.place for _, *both in found for item in both}),
            f"at least {100 * SHARED:.0f} % of the {SEQUENCE}-word sequences of the shorter one, which has "
            f"{SHORTEST_NEAR} words or more, occur in the longer one",
            _LEAK + "they may be cut from one recording.",
            tuple(example([one, other], _both_quoted(pair, one, other)) for pair, one, other in found),
        )
    ]


def _shared_speakers(items: Sequence[Item]) -> list[Finding]:
    by_speaker = defaultdict(list)
    for item in items:
        if item.clip.speaker:
            by_speaker[item.clip.speaker].append(item)
    shared = {name: own for name, own in sorted(by_speaker.items()) if len(_splits(own)) > 1}
    if not shared:
        return []
    return [
        Finding(
            "speakers_across_splits",
            "warning",
            f"splits share {counted(len(shared), 'speaker')}: {listed(shared)}",
            sum(map(len, shared.values())),
            "a speaker has clips in several splits",
            "Scores tell how well known voices are recognised; for strangers, keep speakers apart.",
            tuple(Example((), f"{name}: {_clips_told(own)}") for name, own in shared.items()),
        )
    ]


def _shared_ids(items: Sequence[Item]) -> list[Finding]:
    by_id = defaultdict(list)
    for item in items:
        if item.clip.id.strip():
            by_id[item.clip.id].append(item)
    # the same audio is told as such
    shared = [
        own
        for own in by_id.values()
        if len(_splits(own)) > 1 and not (own[0].sound and len({item.sound and item.sound.digest for item in own}) == 1)
    ]
    if not shared:
        return []
    return [
        Finding(
            "ids_across_splits",
            "error",
            f"splits share {counted(len(shared), 'id')}",
            sum(map(len, shared)),
            "an id occurs in several splits",
            _LEAK + "delete the clip from one, or give different clips different names.",
            tuple(example(_each_split_first(own), _told(own)) for own in shared),
        )
    ]


def _both_quoted(pair: Near, one: Item, other: Item) -> str:
    return f"{100 * pair.share:.0f} %: {quoted(one.words or ())} / {quoted(other.words or ())}"


def _splits(items: Sequence[Item]) -> frozenset[str]:
    return frozenset(item.split for item in items if item.split)


def _each_split_first(items: Sequence[Item]) -> list[Item]:
    """The first clip of each split before the others, so that the first few show what is shared."""
    firsts = {item.split: item for item in reversed(items)}
    return sorted(items, key=lambda item: item is not firsts[item.split])


def _by_pair(splits: Sequence[frozenset[str]]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for among in splits:
        for pair in combinations(sorted(among), 2):
            counts[pair] += 1
    return dict(sorted(counts.items()))


def _pairs_told(pairs: dict[tuple[str, str], int]) -> str:
    return ", ".join(f"{one} and {other} {count}" for (one, other), count in pairs.items())


def _told(items: Sequence[Item]) -> str:
    """Where clips belong and how they are labelled."""
    ordered = _each_split_first(items)
    return listed(" ".join(filter(None, (item.split, item.clip.label or "unlabelled"))) for item in ordered)


def _clips_told(items: Sequence[Item]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for item in items:
        counts[item.split or "no split"] += 1
    return ", ".join(f"{split} {count}" for split, count in sorted(counts.items()))
