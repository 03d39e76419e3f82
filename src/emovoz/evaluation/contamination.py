"""Whether clips that a model is scored on are among those it has learned from."""

from collections.abc import Mapping, Sequence
from typing import Any

from emovoz.corpus import Corpus
from emovoz.inference import Recognizer
from emovoz.inference.training_data import Fingerprints, fingerprints_of

EXAMPLES = 20
NAMED = 3


def contamination(recognizer: Recognizer, corpus: Corpus, *, workers: int = 2) -> dict[str, Any] | None:
    """What of a corpus the recogniser was trained on, or was given as dev clips; None where it does not know.

    Args:
        recognizer: that is scored.
        corpus: that it is scored on.
        workers: threads that decode audio.

    Returns:
        `clips` and `transcripts`: how many clips have audio, or words, that it knows; `of` how many;
        `different_transcripts`; the same counts for `train` and, where not trained on, `dev`; and at most 20
        `examples`, whose `clip` and `transcript` say of which of the two their audio and words are.
    """
    known = recognizer.trained_on
    if known is None:
        return None
    prints = fingerprints_of(corpus, recognizer.encoders, workers=workers)
    parts = {"train": known.train, "dev": known.dev}
    rows = [(_part_of(clip, parts, "clips"), _part_of(words, parts, "transcripts")) for clip, words in prints]
    return {
        **_counts(rows),
        "of": len(corpus),
        "different_transcripts": len({prints[i][1] for i, (_, words) in enumerate(rows) if words}),
        **{part: _counts([(clip == part, words == part) for clip, words in rows]) for part in parts},
        "examples": [
            {"id": clip.id, "clip": of_clip, "transcript": of_words, "transcription": clip.transcription or None}
            for clip, (of_clip, of_words) in zip(corpus, rows, strict=True)
            if of_clip or of_words
        ][:EXAMPLES],
    }


def _part_of(fingerprint: bytes | None, parts: Mapping[str, Fingerprints], what: str) -> str | None:
    return next((name for name, part in parts.items() if fingerprint in getattr(part, what)), None)


def _counts(rows: Sequence[tuple[Any, Any]]) -> dict[str, int]:
    return {"clips": sum(bool(clip) for clip, _ in rows), "transcripts": sum(bool(words) for _, words in rows)}


def contamination_told(found: Mapping[str, Any] | None) -> list[str]:
    """What `contamination` has found, a sentence each; none where there is nothing to tell."""
    if not found:
        return []
    of = f"of {found['of']} clips"
    whole = {
        "train": ("the model was trained on {} {}", "have words that the model was trained on"),
        "dev": ("{} {} are its dev clips, which chose or measured its state", "have words of its dev clips"),
    }
    sentences = []
    for part, (heard, read) in whole.items():
        counts = found[part]
        if counts["clips"]:
            sentences.append(heard.format(counts["clips"], of) + _named(found, "clip", part))
        if counts["transcripts"]:
            sentences.append(f"{counts['transcripts']} {of} {read}{_named(found, 'transcript', part)}")
    if found["train"]["clips"] or found["train"]["transcripts"]:
        sentences.append("scores of clips that are known flatter: leave them out to see how it does on new ones")
    if found["transcripts"] >= 2 * found["different_transcripts"] > 0:
        sentences.append(
            f"they are {found['different_transcripts']} different texts, so perhaps fixed sentences: "
            "a cross-validation can hold these out too (--group speaker,sentence)"
        )
    return sentences


def _named(found: Mapping[str, Any], what: str, part: str) -> str:
    ids = [one["id"] for one in found["examples"] if one[what] == part]
    more = found[part][f"{what}s"] - len(ids[:NAMED])
    return f" ({', '.join(ids[:NAMED])}{f' and {more} more' if more else ''})" if ids else ""
