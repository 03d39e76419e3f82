"""Whether explanations are true: what they point at is hidden in the clips, and the fall compared with chance.

Seconds: spanish-elicited, six labels, clips of three speakers that the models have not heard. Words: EmoSPeech 2024,
train to dev. The fall is that of the probability of the decision.

Needs the development data beside the project. Run: python benchmarks/explanation.py
Writes what it measured into benchmarks/RESULTS.md, under its own heading.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from record import EMOSPEECH, SPANISH, machine, need_data, write_section

from emovoz import Clip, Corpus, Recipe, Recognizer, train
from emovoz.explanation import Check, Evidence, Judge, evidence_of, judge_of
from emovoz.explanation.check import check_seconds, check_words
from emovoz.explanation.judge import Features
from emovoz.features import ClipFeatures, encode_clips
from emovoz.inference.scores import inputs_of
from emovoz.model.attention import attention_weights

HEADING = "## Explanations, checked"
CLIPS, DRAWS, RESAMPLES, SEED = 60, 8, 4000, 0
ATTENTION = ["model.pooling=attention", "model.standardise=false", "model.input_dropout=0.1"]
Checked = Callable[[Judge, Clip, Features, Evidence], Check | None]


def main() -> None:
    """Measure everything, then write it down."""
    need_data()
    heard, held_out = _elicited()
    rows = []
    for name, settings in (("speech", []), ("speech-gradient", ATTENTION)):
        recognizer = train(heard, Recipe.load(name, settings))
        told = f"`{name}`{', attention pooling' if settings else ''}"
        explained = _explained(recognizer, held_out)
        rows += _rows(told, "seconds", recognizer, explained, _seconds)
        if settings:
            by_attention = [(clip, features, _by_attention(evidence)) for clip, features, evidence in explained]
            rows += _rows(told, "seconds, ranked by attention", recognizer, by_attention, _seconds)
    reader = train(Corpus.from_manifest(EMOSPEECH / "train.csv"), Recipe.load("text"))
    rows += _rows("`text`", "words", reader, _explained(reader, _read()), _words)
    lines = [
        machine(),
        "",
        f"{CLIPS} clips each, drawn by seed; the top fifth of the seconds (windows of .5 s) silenced and the audio",
        "encoded anew, or the top fifth of the words taken out of the text, beside as much chosen at random",
        f"({DRAWS} times). Fall of the probability of the decision, mean over the clips; 95 % intervals of the",
        "difference, bootstrap over clips. In the last column the mean of the 97.5th percentile of the random choices:",
        "about as far as any choice gets.",
        "",
        "| model | what is hidden | top | random | difference | clips where top is above random | best of random |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]
    write_section(HEADING, "\n".join(lines))


def _elicited() -> tuple[Corpus, list[Clip]]:
    """Clips to learn from, and some of three other speakers."""
    corpus = Corpus.from_manifest(SPANISH / "manifest.csv", SPANISH / "audio").without("surprise")
    strangers = sorted(set(corpus.values("speaker")))[::5]
    own = [i for i, clip in enumerate(corpus) if clip.speaker not in strangers]
    return corpus.select(own), _drawn([clip for clip in corpus if clip.speaker in strangers])


def _read() -> list[Clip]:
    return _drawn(list(Corpus.from_manifest(EMOSPEECH / "dev.csv")))


def _drawn(clips: Sequence[Clip]) -> list[Clip]:
    return [clips[i] for i in np.random.default_rng(SEED).permutation(len(clips))[:CLIPS]]


def _explained(recognizer: Recognizer, clips: Sequence[Clip]) -> list[tuple[Clip, Features, Evidence]]:
    judge, found = judge_of(recognizer), []
    for clip, features in zip(clips, encode_clips(clips, recognizer.encoders), strict=True):
        assert isinstance(features, ClipFeatures)
        label = judge.labels[int(judge.scores([features])[0].argmax())]
        weights = attention_weights(recognizer.head, inputs_of(recognizer.head, [features]))
        attention = {name: of.numpy() for name, of in weights.items()}
        found.append((clip, features.by_modality, evidence_of(judge, clip, features.by_modality, label, attention)))
    return found


def _by_attention(evidence: Evidence) -> Evidence:
    return replace(evidence, seconds=tuple(replace(one, score=one.attention or 0.0) for one in evidence.seconds))


def _seconds(judge: Judge, clip: Clip, features: Features, evidence: Evidence) -> Check | None:
    return check_seconds(judge, clip, features, evidence, draws=DRAWS)


def _words(judge: Judge, clip: Clip, features: Features, evidence: Evidence) -> Check | None:
    return check_words(judge, clip, features, evidence, draws=DRAWS)


def _rows(
    told: str,
    hidden: str,
    recognizer: Recognizer,
    explained: Sequence[tuple[Clip, Features, Evidence]],
    check: Checked,
) -> list[str]:
    judge = judge_of(recognizer)
    falls = [found.probability for one in explained if (found := check(judge, *one))]
    top, chance = np.array([one.top for one in falls]), np.array([one.random for one in falls])
    best = np.mean([one.interval[1] for one in falls])
    more = top - chance
    draws = np.random.default_rng(SEED).choice(more, (RESAMPLES, len(more))).mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    difference = f"**{more.mean():.3f}** [{low:.3f}, {high:.3f}]"
    share = f"{(more > 0).mean():.0%} of {len(more)}"
    return [f"| {told} | {hidden} | {top.mean():.3f} | {chance.mean():.3f} | {difference} | {share} | {best:.3f} |"]


if __name__ == "__main__":
    main()
