"""How well and how fast the packaged Whisper base recognises the words of the demo corpus's test part and of people.

The transcripts of the elicited corpus are reconstructed, so some of what counts as a mistake there is none; where one
is empty, the clip is passed over. Words count as equal without case, punctuation and accents.

Needs the development data beside the project. Run: OMP_NUM_THREADS=1 python benchmarks/transcripts.py [WORKERS]
Writes what it measured into benchmarks/RESULTS.md, under its own heading. Several workers share the clips, which do not
depend on each other.
"""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from record import SPANISH, machine, need_data, write_section

from emovoz import Clip, Corpus
from emovoz.corpus import demo_corpus, load_audio
from emovoz.corpus.transcripts import Words, normalised
from emovoz.transcription import Transcriber

HEADING = "## Words recognised"
NAME, LANGUAGE, PEOPLE, SEED, RESAMPLES = "whisper-base", "es", 100, 0, 2000


@dataclass(frozen=True)
class Heard:
    """One clip: how many words were said, how many mistakes were made, and how long a processor took."""

    said: int
    mistakes: int
    mistakes_told: int
    """The same where the recogniser is told the language."""
    language: str | None
    words: int
    audio_seconds: float
    seconds: float


def main() -> None:
    """Measure, then write it down."""
    need_data()
    people = Corpus.from_manifest(SPANISH / "manifest.csv", SPANISH / "audio")
    drawn = np.random.default_rng(SEED).choice(len(people), PEOPLE, replace=False)
    corpora = {"demo corpus, test part": demo_corpus().split("test"), "people": people.select(sorted(drawn))}
    rows = []
    with ProcessPoolExecutor(int(sys.argv[1]) if len(sys.argv) > 1 else 1) as workers:
        for name, corpus in corpora.items():
            heard = list(workers.map(_heard, [clip for clip in corpus if normalised(clip.transcription or "")]))
            rows.append(f"| {name} | {' | '.join(_cells(heard))} |")
    lines = [
        machine(),
        "",
        f"`{NAME}` (the packaged weights, int8), beam of five, temperature 0, every clip alone. Word error",
        f"rate with 95 % interval, bootstrap over clips. People: {PEOPLE} clips of spanish-elicited, drawn by seed",
        f"{SEED}, whose transcripts are reconstructed. Without words: no speech found, or a loop dropped. Every clip",
        "is padded to 30 s, so short ones cost as much as long ones; times are those of one processor, in seconds that",
        "it has worked on this alone.",
        "",
        f"| clips of | number | a clip, s | word error rate | told `--language {LANGUAGE}` | taken for Spanish "
        "| without words | times real time | a clip takes, s |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    write_section(HEADING, "\n".join(lines))


@cache
def _transcriber() -> Transcriber:
    """That of this worker."""
    return Transcriber.load(NAME)


def _heard(clip: Clip) -> Heard:
    assert clip.audio is not None
    samples = load_audio(clip.audio)
    said = normalised(clip.transcription or "")
    transcriber = _transcriber()
    started = time.process_time()
    found = transcriber(samples)
    seconds = time.process_time() - started
    # in the language that it is taken for anyway, the result is the same
    told = found if found.language == LANGUAGE else transcriber(samples, LANGUAGE)
    return Heard(
        len(said),
        mistakes(said, normalised(found.text)),
        mistakes(said, normalised(told.text)),
        found.language,
        len(found.words),
        len(samples) / 16000,
        seconds,
    )


def mistakes(said: Words, found: Words) -> int:
    """Words to replace, insert or delete to make what was found what was said (Levenshtein distance)."""
    row = list(range(len(found) + 1))
    for i, one in enumerate(said, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(found, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]


def _cells(heard: Sequence[Heard]) -> list[str]:
    audio, seconds = sum(one.audio_seconds for one in heard), sum(one.seconds for one in heard)
    known = [one for one in heard if one.language is not None]
    return [
        str(len(heard)),
        f"{audio / len(heard):.1f}",
        _rate(heard, "mistakes"),
        _rate(heard, "mistakes_told"),
        f"{sum(one.language == LANGUAGE for one in known)} of {len(known)}",
        str(sum(not one.words for one in heard)),
        f"{audio / seconds:.2f}",
        f"{seconds / len(heard):.1f}",
    ]


def _rate(heard: Sequence[Heard], name: str) -> str:
    """Mistakes to words said, with the interval of a bootstrap over clips."""
    wrong, said = np.array([getattr(one, name) for one in heard]), np.array([one.said for one in heard])
    drawn = np.random.default_rng(SEED).integers(0, len(heard), (RESAMPLES, len(heard)))
    low, high = np.quantile(wrong[drawn].sum(1) / said[drawn].sum(1), (0.025, 0.975))
    return f"{wrong.sum() / said.sum():.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
