"""What is wrong with the transcriptions of a corpus."""

import statistics
from collections import defaultdict
from collections.abc import Sequence

from emovoz.auditing.agreement import agreement
from emovoz.auditing.finding import Finding, Item, Severity, counted, example, listed, single
from emovoz.corpus.loops import LOOP_TIMES, LOOP_WORDS, loop_in
from emovoz.corpus.transcripts import Words

FASTEST = 30.0
"""Letters a second beyond what anyone says."""
SLOW = 4.0
"""So many times slower than the corpus's median is slow."""
CHANCE, GIVEN_AWAY = 0.05, 0.9
"""How much more often than any two clips those of the same words share their label, and how often, to be told of."""
SHOWN = 80


def text_findings(items: Sequence[Item]) -> list[Finding]:
    """Empty transcriptions, loops, words that do not fit the sound, and what repeated sentences tell of labels."""
    known = [item for item in items if item.words is not None]
    if not known:
        return []
    return [*_loops(known), *_empty(items, known), *_one_word(known), *_pace(known), *_repeated(known)]


def same_words(items: Sequence[Item]) -> dict[Words, list[Item]]:
    """The clips of each transcription that is not empty."""
    groups = defaultdict(list)
    for item in items:
        if item.words:
            groups[item.words].append(item)
    return dict(groups)


def letters_a_second(item: Item) -> float | None:
    """Letters and digits of the transcription for each second that is not silent; None where one is not known."""
    if not item.words or not item.sound:
        return None
    spoken = item.sound.seconds * (1 - item.sound.silent)
    return sum(map(len, item.words)) / spoken if spoken else None


def quoted(words: Words) -> str:
    """Words as an example shows them."""
    text = " ".join(words)
    return f"“{text if len(text) <= SHOWN else text[: SHOWN - 1].rstrip() + '…'}”"


def _loops(known: Sequence[Item]) -> list[Finding]:
    found = [(item, loop) for item in known if item.words and (loop := loop_in(item.words))]
    found.sort(key=lambda one: (-one[1].times * len(one[1].phrase.split()), one[0].place))
    if not found:
        return []
    return [
        Finding(
            "recognition_loop",
            "warning",
            f"{counted(len(found), 'transcription repeats', 'transcriptions repeat')} a phrase over and over",
            len(found),
            f"the same phrase at least {LOOP_TIMES} times in a row, and at least {LOOP_WORDS} words in all",
            "Speech recognition that got stuck; hear the clip, and correct or empty the cell.",
            tuple(example(item, f"“{loop.phrase}” {loop.times} times in a row") for item, loop in found),
        )
    ]


def _empty(items: Sequence[Item], known: Sequence[Item]) -> list[Finding]:
    empty = [item for item in items if not item.words]
    if not empty or not any(item.words for item in known):
        return []
    return [
        Finding(
            "empty_transcription",
            "warning",
            f"{counted(len(empty), 'clip has', 'clips have')} no words",
            len(empty),
            "the cell transcription is empty or holds no letter or digit",
            "Write down what is said, or leave it empty if nothing is: a text recipe sees an empty sentence.",
            single(empty, lambda item: repr(item.clip.transcription) if item.clip.transcription else ""),
        )
    ]


def _one_word(known: Sequence[Item]) -> list[Finding]:
    short = [item for item in known if item.words and len(item.words) == 1]
    if not short:
        return []
    return [
        Finding(
            "one_word",
            "note",
            f"{counted(len(short), 'transcription consists', 'transcriptions consist')} of one word",
            len(short),
            "one word between blanks (of Chinese and Japanese, one character)",
            "Words alone can hardly decide here.",
            single(short, lambda item: quoted(item.words or ())),
        )
    ]


def _pace(known: Sequence[Item]) -> list[Finding]:
    paced = [(item, pace) for item in known if (pace := letters_a_second(item)) is not None]
    if not paced:
        return []
    median = statistics.median(pace for _, pace in paced)
    fast = sorted((one for one in paced if one[1] > FASTEST), key=lambda one: -one[1])
    slow = sorted((one for one in paced if one[1] < median / SLOW), key=lambda one: one[1])
    findings = []
    for kind, found, what, rule in (
        ("too_many_words", fast, "more words than their sound can hold", f"more than {FASTEST:.0f} letters a second"),
        ("too_few_words", slow, "few words for so much sound", f"less than a quarter of the median, {median:.1f}"),
    ):
        if found:
            findings.append(
                Finding(
                    kind,
                    "warning",
                    f"{counted(len(found), 'clip has', 'clips have')} {what}",
                    len(found),
                    f"letters and digits for each second that is not silent: {rule}",
                    "Hear whether the transcription belongs to the clip, and whether one of the two was cut.",
                    tuple(example(item, f"{pace:.1f} letters/s: {quoted(item.words or ())}") for item, pace in found),
                )
            )
    return findings


def _repeated(known: Sequence[Item]) -> list[Finding]:
    """Sentences of several clips: how many there are, and whether they tell the label, or cannot."""
    groups = {words: own for words, own in same_words(known).items() if len(own) > 1}
    if not groups:
        return []
    clips = [item for own in groups.values() for item in own]
    spoken = sum(bool(item.words) for item in known)
    given = len(clips) >= spoken / 2
    # a long sentence that is there twice tells more than a short one, one that many say more than one of two
    several = sorted(groups.items(), key=lambda one: (-len(one[1]) if given else -len(one[0]), one[0]))
    repeated = Finding(
        "repeated_sentence",
        "note",
        f"{counted(len(clips), 'clip')} of {spoken} say what another says too: {counted(len(groups), 'sentence')}",
        len(clips),
        "transcriptions that are equal but for case, punctuation and accents",
        "The sentences were given: hold them out too (--group with a column that names the sentence)."
        if given
        else "Short ones are equal by chance; of a long one, hear whether it is the same recording.",
        tuple(example(own, f"{quoted(words)}: {_labels_of(own)}") for words, own in several),
    )
    if not given:
        return [*_in_two_minds(several), repeated]
    labelled = [item for item in clips if item.clip.label]
    telling = len(labelled) >= 10 and len({item.clip.label for item in labelled}) > 1
    return [*(_telling(labelled) if telling else ()), repeated]


def _in_two_minds(groups: Sequence[tuple[Words, list[Item]]]) -> list[Finding]:
    """The same words under different labels, where nobody has given the sentences."""
    found = [(words, own) for words, own in groups if len({item.clip.label for item in own if item.clip.label}) > 1]
    if not found:
        return []
    clips = sum(len(own) for _, own in found)
    return [
        Finding(
            "words_of_several_labels",
            "note",
            f"{counted(len(found), 'sentence has', 'sentences have')} different labels: {counted(clips, 'clip')}",
            clips,
            "equal transcriptions of different labels, in a corpus where most are said once",
            "Hear whether they are said differently; if not, the labels contradict each other.",
            tuple(example(own, f"{quoted(words)}: {_labels_of(own)}") for words, own in found),
        )
    ]


def _telling(labelled: Sequence[Item]) -> list[Finding]:
    """Whether the sentences that labelled clips repeat tell the label, or carry nothing of it."""
    words, labels = [item.words for item in labelled], [item.clip.label or "" for item in labelled]
    spread, pairs = agreement(words, labels, twice=True), agreement(words, labels)
    severity: Severity
    if spread.same <= spread.any + CHANCE:
        kind, severity = "words_carry_nothing", "note"
        what = (
            f"the words carry nothing here: drawn twice from the clips of one sentence, the label is the same in "
            f"{100 * spread.same:.0f} % of cases, from all clips in {100 * spread.any:.0f} %"
        )
        when = f"the two shares are within {100 * CHANCE:.0f} points"
        advice = "A recipe for words is at chance, and words beside speech can add nothing: use --recipe speech."
    elif pairs.same >= GIVEN_AWAY:
        kind, severity = "words_give_label", "warning"
        what = (
            f"the sentences give the label away: two clips of the same words share it in {100 * pairs.same:.0f} % "
            f"of cases, any two in {100 * pairs.any:.0f} %"
        )
        when = f"the first share is {100 * GIVEN_AWAY:.0f} % or more"
        advice = "A model learns the script, not the emotion: hold sentences out (--group), or use --recipe speech."
    else:
        return []
    rule = f"at least half of the clips repeat a sentence, and {when}"
    return [Finding(kind, severity, what, len(labelled), rule, advice)]


def _labels_of(items: Sequence[Item]) -> str:
    labels = sorted({item.clip.label or "no label" for item in items})
    return f"{counted(len(items), 'clip')}, {listed(labels, most=8)}"
