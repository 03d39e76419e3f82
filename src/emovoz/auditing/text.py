"""An audit as a few lines for the terminal."""

from collections.abc import Mapping
from typing import Any

from emovoz.auditing.finding import counted, listed

SHOWN = 2


def told(results: Mapping[str, Any]) -> str:
    """What is in the corpus, and every finding with its first examples."""
    return "\n".join([*_numbers(results), "", *_findings(results)])


def _numbers(results: Mapping[str, Any]) -> list[str]:
    sound, text = results["sound"], results["text"]
    facts = [counted(results["n"], "clip")]
    facts += [counted(len(results[key]), key[:-1]) for key in ("splits", "speakers", "labels") if results[key]]
    lines = [", ".join(facts)]
    if results["labels"]:
        lines.append(f"labels: {listed((f'{label} {count}' for label, count in results['labels'].items()), most=12)}")
    if results["splits"]:
        lines.append(f"splits: {listed((f'{split} {count}' for split, count in results['splits'].items()), most=12)}")
    if sound["clips"]:
        seconds, level = sound["seconds"], sound["level"]
        lines.append(
            f"sound:  {duration(results['seconds'])}; a clip {seconds['median']:.1f} s ({seconds['min']:.1f} to "
            f"{seconds['max']:.1f}), {level['median']:.0f} dBFS ({level['min']:.0f} to {level['max']:.0f})"
        )
        lines.append(f"kept:   {listed((f'{way} ({count})' for way, count in sound['ways'].items()), most=3)}")
    elif not sound["unusable"]:
        lines.append("sound:  none was found; name its folder with --audio-dir")
    if text["clips"]:
        words = text["words"]
        lines.append(
            f"words:  {counted(text['distinct'], 'different transcription')}; a clip {words['median']:.0f} words "
            f"({words['min']} to {words['max']})"
        )
    return lines


def _findings(results: Mapping[str, Any]) -> list[str]:
    if not results["findings"]:
        return ["nothing was found to be wrong"]
    lines = []
    for finding in results["findings"]:
        lines.append(f"{finding['severity']:8} {finding['what']}")
        for one in finding["examples"][:SHOWN]:
            where = listed((where_of(clip) for clip in one["clips"]), most=2)
            lines.append(" " * 13 + ": ".join(part for part in (where, one["detail"]) if part))
        if len(finding["examples"]) > SHOWN:
            lines.append(" " * 13 + f"and {len(finding['examples']) - SHOWN} more")
    found = results["found"]
    return [*lines, "", ", ".join(counted(found[severity], severity) for severity in found)]


def where_of(clip: Mapping[str, str]) -> str:
    """The row and the id of a clip; in class folders they are the same."""
    return " ".join(dict.fromkeys(part for part in (clip["place"], clip["id"]) if part))


def duration(seconds: float) -> str:
    """A length as people say it.

    >>> duration(47.1), duration(2826), duration(9000)
    ('47.1 s', '47.1 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
