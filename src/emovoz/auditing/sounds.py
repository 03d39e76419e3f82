"""What is wrong with the sound of a corpus."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emovoz.auditing.agreement import agreement
from emovoz.auditing.finding import Example, Finding, Item, Severity, counted, example, leaning, listed, single
from emovoz.auditing.sound import Sound

SPREAD_DB = 6.0
"""Between the medians of speakers or splits: twice the amplitude."""
ENOUGH = 3
"""Clips that a speaker's median level rests on, at least."""
TELLING = 0.1
"""By how much clips of one way of recording must share their label more often than any to be told of."""
NARROW_HZ = 4100.0
"""A telephone passes 3.4 kHz, audio sampled at 8 kHz at most 4."""
WIDE_RATE = 11025


@dataclass(frozen=True)
class _Check:
    """When a clip is told of, and in which words; `{clips}` is their number."""

    kind: str
    severity: Severity
    hit: Callable[[Sound], bool]
    worst: Callable[[Sound], float]
    what: str
    detail: Callable[[Sound], str]
    rule: str
    advice: str


_CHECKS = (
    _Check(
        "clipping", "warning",
        lambda sound: sound.at_full_scale >= 3, lambda sound: sound.at_full_scale / sound.seconds,
        "{clips} clipped",
        lambda sound: f"{counted(sound.at_full_scale, 'sample')} at full scale in {sound.seconds:.2f} s",
        "three or more samples within 0.1 % of full scale: a peak that is not cut off touches it once",
        "The distortion cannot be undone; record or convert them anew with head-room where you can.",
    ),
    _Check(
        "mostly_silent", "warning",
        lambda sound: sound.silent > 0.6, lambda sound: sound.silent,
        "{clips} mostly silent",
        lambda sound: f"{100 * sound.silent:.0f} % of {sound.seconds:.2f} s silent",
        "more than 60 % of the 25 ms frames lie 40 dB or more below the loudest one",
        "Trim the silence, or set start and end: what is pooled over time is mostly pause.",
    ),
    _Check(
        "very_quiet", "warning",
        lambda sound: sound.level < -50, lambda sound: -sound.level,
        "{clips} very quiet",
        lambda sound: f"{sound.level:.1f} dBFS",
        "an RMS level below -50 dBFS, where 16 bits leave a few dozen steps",
        "Record them louder; amplifying brings up the noise as well.",
    ),
    _Check(
        "short", "note",
        lambda sound: sound.seconds < 0.5, lambda sound: -sound.seconds,
        "{clips} shorter than half a second",
        lambda sound: f"{sound.seconds:.3f} s",
        "less than 0.5 s",
        "Hear whether there is an utterance in them.",
    ),
    _Check(
        "long", "note",
        lambda sound: sound.seconds > 30, lambda sound: sound.seconds,
        "{clips} longer than 30 s",
        lambda sound: f"{sound.seconds:.1f} s",
        "more than 30 s: most corpora of emotions have utterances of 1 to 15 s",
        "One label for so long a stretch is rarely true throughout: cut them, by start and end.",
    ),
    _Check(
        "offset", "note",
        lambda sound: sound.offset >= 0.1, lambda sound: sound.offset,
        "{clips} with a constant offset (DC)",
        lambda sound: f"the mean is {100 * sound.offset:.0f} % of the RMS",
        "the mean of the samples is a tenth of their RMS or more",
        "The recording chain adds it; a high-pass filter at 20 Hz takes it away.",
    ),
    _Check(
        "dead_channel", "warning",
        lambda sound: sound.channel_gap > 40, lambda sound: sound.channel_gap,
        "{clips} with a silent channel",
        lambda sound: f"one of {sound.channels} channels lies {sound.channel_gap:.0f} dB below another",
        "one channel is more than 40 dB weaker than another",
        "Channels are averaged, which halves the amplitude here: keep the channel that speaks.",
    ),
    _Check(
        "cancelling_channels", "warning",
        lambda sound: sound.cancelled > 10, lambda sound: sound.cancelled,
        "{clips} whose channels cancel each other",
        lambda sound: f"averaging the channels takes {sound.cancelled:.0f} dB",
        "the average of the channels is more than 10 dB weaker than they are",
        "A channel is wired upside down: invert it, or keep one channel.",
    ),
    _Check(
        "narrow_band", "warning",
        lambda sound: sound.rate >= WIDE_RATE and sound.bandwidth <= NARROW_HZ, lambda sound: -sound.bandwidth,
        "{clips} with nothing above 4 kHz (telephone speech, or sampled up from 8 kHz)",
        lambda sound: f"{sound.rate} Hz, sound up to {sound.bandwidth / 1000:.1f} kHz",
        "sampled at 11 kHz or more, but 99.999 % of the power lies below 4.1 kHz",
        "Find the originals; do not mix them with wide-band clips unless every label has both.",
    ),
    _Check(
        "low_rate", "warning",
        lambda sound: sound.rate < 16000, lambda sound: -sound.rate,
        "{clips} sampled below 16 kHz",
        lambda sound: f"{sound.rate} Hz",
        "encoders are made for 16 kHz, where nothing above half the rate is heard",
        "They work, with less of what tells voices apart; do not mix them with others unless every label has both.",
    ),
)  # fmt: skip


def sound_findings(items: Sequence[Item]) -> list[Finding]:
    """What cannot be heard, levels that differ, and what single clips have."""
    heard = [item for item in items if item.sound]
    of_clips = [finding for check in _CHECKS for finding in _told(check, items)]
    return _unheard(items) + _levels(heard, "speaker") + _levels(heard, "split") + _recording_tells(heard) + of_clips


def _told(check: _Check, items: Sequence[Item]) -> list[Finding]:
    heard = [(item, item.sound) for item in items if item.sound]
    hit = sorted((one for one in heard if check.hit(one[1])), key=lambda one: -check.worst(one[1]))
    if not hit:
        return []
    found = [item for item, _ in hit]
    what = check.what.format(clips=counted(len(hit), "clip")) + leaning(found, [item for item, _ in heard])
    told = tuple(example(item, check.detail(sound)) for item, sound in hit)
    return [Finding(check.kind, check.severity, what, len(hit), check.rule, check.advice, told)]


def way_of_recording(sound: Sound) -> str:
    """How a clip is kept, in words that are equal where it is the same."""
    band = ", narrow band" if sound.rate >= WIDE_RATE and sound.bandwidth <= NARROW_HZ else ""
    return f"{sound.form}, {sound.rate} Hz, {counted(sound.channels, 'channel')}{band}"


def _levels_by(heard: Sequence[Item], key: str) -> dict[str, list[float]]:
    """The levels of each `speaker` or `split`, dBFS, ascending; from the quietest to the loudest by median."""
    levels: dict[str, list[float]] = defaultdict(list)
    for item in heard:
        group = item.split if key == "split" else item.clip.value(key)
        if group and item.sound:
            levels[group].append(item.sound.level)
    return {
        name: sorted(own) for name, own in sorted(levels.items(), key=lambda one: (statistics.median(one[1]), one[0]))
    }


def _unheard(items: Sequence[Item]) -> list[Finding]:
    broken = [item for item in items if item.unheard]
    if not broken:
        return []
    return [
        Finding(
            "unusable_audio",
            "error",
            f"{counted(len(broken), 'clip')} whose audio cannot be used",
            len(broken),
            "not readable, truncated, empty, under 25 ms, silent throughout, samples that are not finite, "
            "or a part that lies beyond the end",
            "Bring or convert the files, or delete the rows: they stop every training.",
            single(broken, lambda item: str(item.unheard)),
        )
    ]


def _levels(heard: Sequence[Item], key: str) -> list[Finding]:
    levels = {name: own for name, own in _levels_by(heard, key).items() if len(own) >= ENOUGH}
    medians = {name: statistics.median(own) for name, own in levels.items()}
    if len(medians) < 2:
        return []
    (quietest, low), *_, (loudest, high) = medians.items()
    if high - low < SPREAD_DB:
        return []
    return [
        Finding(
            f"{key}_levels",
            "warning",
            f"{key}s differ by {high - low:.1f} dB in level: {quietest} {low:.1f}, {loudest} {high:.1f} dBFS",
            sum(map(len, levels.values())),
            f"the median RMS levels of two {key}s with at least {ENOUGH} clips lie {SPREAD_DB:.0f} dB or more apart",
            "Loudness is emotion and microphone in one: hold speakers out (--group speaker), and compare with levels "
            "brought together within each speaker.",
            tuple(
                Example((), f"{name}: median {medians[name]:.1f} dBFS, {counted(len(own), 'clip')}")
                for name, own in levels.items()
            ),
        )
    ]


def _recording_tells(heard: Sequence[Item]) -> list[Finding]:
    ways: dict[str, list[Item]] = defaultdict(list)
    for item in heard:
        if item.sound:
            ways[way_of_recording(item.sound)].append(item)
    if len(ways) < 2:
        return []
    ordered = sorted(ways.items(), key=lambda one: -len(one[1]))
    told = tuple(example(own[:3], f"{way}: {counted(len(own), 'clip')}{_labels_of(own)}") for way, own in ordered)
    labelled = [(way, item.clip.label) for way, own in ordered for item in own if item.clip.label]
    labels = [label for _, label in labelled]
    tells = ""
    if len(set(labels)) > 1:
        share = agreement([way for way, _ in labelled], labels)
        if share.same >= share.any + TELLING:
            tells = (
                f", and they tell of the label: two of the same way share it in {100 * share.same:.0f} % of cases, "
                f"any two in {100 * share.any:.0f} %"
            )
    return [
        Finding(
            "ways_of_recording",
            "warning" if tells else "note",
            f"clips are kept in {len(ways)} ways{tells}",
            len(heard),
            "file format, rate, number of channels, or band differ; a warning where clips of the same way share their "
            f"label more often than any two by {100 * TELLING:.0f} points",
            "Where labels come from different recordings, a model may learn the recording: mix ways within each label.",
            told,
        )
    ]


def _labels_of(items: Sequence[Item]) -> str:
    counts = Counter(item.clip.label for item in items if item.clip.label)
    return f" ({listed(f'{label} {count}' for label, count in counts.most_common())})" if counts else ""
