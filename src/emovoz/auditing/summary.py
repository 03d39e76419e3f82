"""What is in a corpus, as the numbers of audit.json."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from emovoz import __version__
from emovoz.auditing.finding import SEVERITIES, Finding, Item
from emovoz.auditing.labels import label_counts
from emovoz.auditing.sounds import way_of_recording
from emovoz.auditing.texts import letters_a_second, same_words

MEASURES = ("seconds", "level", "peak", "silent", "bandwidth")


def results_of(names: Sequence[str], items: Sequence[Item], findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything that was found, as plain values.

    Args:
        names: of what was read.
        items: the clips, measured.
        findings: in the order they are told.
    """
    sounds = [item.sound for item in items if item.sound]
    known = [item for item in items if item.words is not None]
    severities = Counter(finding.severity for finding in findings)
    return {
        "read": list(names),
        "n": len(items),
        "seconds": sum(sound.seconds for sound in sounds),
        "found": {severity: severities[severity] for severity in SEVERITIES},
        "findings": [finding.to_dict() for finding in findings],
        "labels": dict(Counter(item.clip.label for item in items if item.clip.label).most_common()),
        "splits": dict(Counter(item.split for item in items if item.split)),
        "speakers": dict(sorted(Counter(item.clip.speaker for item in items if item.clip.speaker).items())),
        "labels_by_split": {name: dict(counts) for name, counts in label_counts(items, "split").items()},
        "labels_by_speaker": {name: dict(counts) for name, counts in label_counts(items, "speaker").items()},
        "sound": {
            "clips": len(sounds),
            "unusable": sum(item.unheard is not None for item in items),
            "ways": dict(Counter(map(way_of_recording, sounds)).most_common()),
        }
        | {name: spread([getattr(sound, name) for sound in sounds]) for name in MEASURES},
        "text": {
            "clips": len(known),
            "empty": sum(not item.words for item in known),
            "distinct": len(same_words(known)),
            "words": spread([len(item.words or ()) for item in known]),
            "letters_a_second": spread([pace for item in known if (pace := letters_a_second(item)) is not None]),
        },
        "clips": [_clip(item) for item in items],
        "versions": {"emovoz": __version__},
    }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Least, 5 % quantile, median, 95 % quantile and greatest of some values, None where there are none.

    >>> spread(range(101))
    {'min': 0, 'p05': 5, 'median': 50, 'p95': 95, 'max': 100}
    """
    if not values:
        return None
    ranked = sorted(values)
    p05, p95 = (ranked[round(share * (len(ranked) - 1))] for share in (0.05, 0.95))
    return {"min": ranked[0], "p05": p05, "median": statistics.median(ranked), "p95": p95, "max": ranked[-1]}


def _clip(item: Item) -> dict[str, Any]:
    clip = item.clip
    return {
        "id": clip.id,
        "place": item.place,
        "split": item.split,
        "label": clip.label,
        "speaker": clip.speaker,
        "words": None if item.words is None else len(item.words),
        "letters_a_second": letters_a_second(item),
        "sound": asdict(item.sound) if item.sound else None,
        "unusable": str(item.unheard) if item.unheard else None,
    }
