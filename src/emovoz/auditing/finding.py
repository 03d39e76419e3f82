"""What an audit has found: how serious, what, where, what to do."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from emovoz.auditing.sound import Sound
from emovoz.corpus import Clip
from emovoz.errors import ClipError

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Item:
    """A clip under audit.

    Attributes:
        clip: as its manifest says.
        place: where it was read: the row, and before it the name of what was read where that is not all.
        split: what it belongs to, None where nothing is divided.
        sound: what was measured, None where nothing could be.
        unheard: why nothing could be measured; None also where there is no audio.
        words: of the transcription, normalised; None where it is not known.
    """

    clip: Clip
    place: str
    split: str | None
    sound: Sound | None = None
    unheard: ClipError | None = None
    words: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Example:
    """A clip, or clips that belong together, as (place, id), and what is to be said of them."""

    clips: tuple[tuple[str, str], ...]
    detail: str


@dataclass(frozen=True)
class Finding:
    """Something a person should know of a corpus.

    Attributes:
        kind: its name for programs.
        severity: `error` where clips cannot be used or scores would be wrong, `warning` where results may be distorted,
            `note` where it is good to know.
        what: a sentence.
        clips: how many it concerns.
        rule: when this is found.
        advice: what to do.
        examples: all of them, the worst first.
    """

    kind: str
    severity: Severity
    what: str
    clips: int
    rule: str
    advice: str
    examples: tuple[Example, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        examples = [
            {"clips": [{"place": place, "id": name} for place, name in one.clips], "detail": one.detail}
            for one in self.examples
        ]
        return {
            "kind": self.kind,
            "severity": self.severity,
            "what": self.what,
            "clips": self.clips,
            "rule": self.rule,
            "advice": self.advice,
            "examples": examples,
        }


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The most serious first; in the order they came among equals."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def example(items: Item | Sequence[Item], detail: str) -> Example:
    """An example of one clip, or of several that belong together."""
    together = [items] if isinstance(items, Item) else items
    return Example(tuple((item.place, item.clip.id) for item in together), detail)


def single(items: Iterable[Item], detail: Callable[[Item], str]) -> tuple[Example, ...]:
    """An example for each clip."""
    return tuple(example(item, detail(item)) for item in items)


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "clip"), counted(2, "clip"), counted(2, "speech", "speeches")
    ('1 clip', '2 clips', '2 speeches')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 6) -> str:
    """Names one after the other; of many, the first and how many more.

    >>> listed(["joy", "fear", "anger"], most=2)
    'joy, fear and 1 more'
    """
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def leaning(items: Sequence[Item], among: Sequence[Item]) -> str:
    """The label that most of some clips have, where it is at least twice as frequent there as among all; else nothing.

    Args:
        items: those of a finding.
        among: all that could have been.
    """
    labels = Counter(item.clip.label for item in items if item.clip.label)
    if sum(labels.values()) < 5:
        return ""
    label, count = labels.most_common(1)[0]
    share = count / len(items)
    everywhere = sum(item.clip.label == label for item in among) / len(among)
    if share < 0.5 or share < 2 * everywhere:
        return ""
    return f"; {count} of them are labelled {label}, as {100 * everywhere:.0f} % of all clips are"
