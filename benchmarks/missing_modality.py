"""What is lost when the words or the sound of a clip are taken away, or the words are recognised instead of given.

The demo corpus: one model of its train part, its test part heard in each way. The texts of the elicited corpus carry no
emotion, so pairs are *constructed* of it: each clip gets a random transcript of EmoSPeech 2024 with the same label.
Speakers are never shared between training and test, and neither are transcripts. Nobody says these words in these
clips, so recognised ones are tried on the demo corpus only.

Needs the development data beside the project. Run: python benchmarks/missing_modality.py [demo]
Writes what it measured into benchmarks/RESULTS.md, under a heading each; `demo` measures the demo corpus alone.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from record import EMOSPEECH, SPANISH, machine, need_data, score, write_section

from emovoz import Clip, Corpus, FeatureStore, Recipe, evaluate, train
from emovoz.corpus import demo_corpus, grouped_folds
from emovoz.evaluation import metrics
from emovoz.transcription import Transcriber
from emovoz.transcription.clips import transcript_of, with_words

HEADING = "## A modality taken away"
DEMO = "## A modality taken away: demo corpus"
FOLDS, SEED = 7, 0
KINDS: dict[str, Callable[[Clip], Clip]] = {
    "both": lambda clip: clip,
    "sound only": lambda clip: replace(clip, transcription=None),
    "words only": lambda clip: replace(clip, audio=None),
}
RUNS = {
    "default": list(KINDS),
    "speech": ["sound only"],
    "text": ["words only"],
}


def main() -> None:
    """Measure everything, then write it down."""
    measure_demo()
    if sys.argv[1:] != ["demo"]:
        measure_pairs()


def measure_demo() -> None:
    """Train on the demo corpus, and hear its test part in each way."""
    demo = demo_corpus()
    transcriber = Transcriber.load(language="es")

    def recognised(clip: Clip) -> Clip:
        mute = replace(clip, transcription=None)
        return with_words(mute, transcript_of(mute, transcriber))

    kinds = {**KINDS, "sound and recognised words": recognised}
    test = demo.split("test")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        store = FeatureStore(Path(scratch))
        recognizer = train(demo.split("train"), Recipe.load("default"), dev=demo.split("dev"), store=store)
        for name, heard in kinds.items():
            some = Corpus([heard(clip) for clip in test])
            told = sum(bool(clip.transcription) for clip in some)
            results = evaluate(recognizer, some, store=store).results
            rows.append(f"| {name} | {told} of {len(some)} | {score(results, 'macro_f1')} |")
    lines = [
        machine(),
        "",
        f"One `default` model of the demo corpus's train part, on the {len(test)} clips of its test part, whose voices",
        "and sentences it has not met. Synthetic voices, whose sentences say what they feel: this shows that the",
        "software does as it should, not how well it hears people.",
        f"Recognised by `{transcriber.name}`, told that it is Spanish.",
        "",
        "| heard with | clips with words | macro-F1 |",
        "|---|---|---|",
        *rows,
    ]
    write_section(DEMO, "\n".join(lines))


def measure_pairs() -> None:
    """Constructed pairs of people's clips and texts of the same label."""
    need_data()
    corpus = _elicited()
    with tempfile.TemporaryDirectory() as scratch:
        store = FeatureStore(Path(scratch))
        rows = [
            f"| `{recipe}` | {' | '.join(_scores(corpus, recipe, kinds, store))} |" for recipe, kinds in RUNS.items()
        ]
    lines = [
        machine(),
        "",
        "Constructed pairs: clips of spanish-elicited, each with a random EmoSPeech 2024 transcript of the same label",
        f"(seed {SEED}); {FOLDS} folds that share neither speakers nor transcripts, six classes, one seed. Macro-F1",
        "with 95 % intervals, bootstrap over clips, of the same trained models heard with both modalities or with one.",
        "",
        f"| recipe | {' | '.join(KINDS)} |",
        f"|---|{'---|' * len(KINDS)}",
        *rows,
    ]
    write_section(HEADING, "\n".join(lines))


def _elicited() -> Corpus:
    corpus = Corpus.from_manifest(SPANISH / "manifest.csv", SPANISH / "audio").without("surprise")
    return Corpus([replace(clip, transcription=None) for clip in corpus])


def _scores(corpus: Corpus, recipe: str, kinds: list[str], store: FeatureStore) -> list[str]:
    loaded = Recipe.load(recipe)
    truth: list[int] = []
    predicted: dict[str, list[int]] = {kind: [] for kind in kinds}
    for fold, test in enumerate(grouped_folds(corpus, "speaker", FOLDS)):
        rest = sorted(set(range(len(corpus))) - set(test))
        recognizer = train(_with_words(corpus.select(rest), fold, training=True), loaded, store=store)
        held = _with_words(corpus.select(test), fold, training=False)
        truth += [recognizer.labels.index(clip.label or "") for clip in held]
        for kind in kinds:
            some = Corpus([KINDS[kind](clip) for clip in held])
            rows = evaluate(recognizer, some, store=store).predictions
            predicted[kind] += [recognizer.labels.index(row["predicted"]) for row in rows]
    found = {
        kind: metrics.score(np.array(truth), np.array([guesses]), corpus.labels, resamples=2000, seed=SEED)
        for kind, guesses in predicted.items()
    }
    return [score(found[kind], "macro_f1") if kind in found else "" for kind in KINDS]


def _with_words(corpus: Corpus, fold: int, *, training: bool) -> Corpus:
    """Each clip with a random transcript of its label: one of this fold's, or in training one of the others'."""
    texts: dict[str, list[list[str]]] = {}
    for clip in Corpus.from_manifest(EMOSPEECH / "train.csv"):
        of_label = texts.setdefault(clip.label or "", [[] for _ in range(FOLDS)])
        min(of_label, key=len).append(clip.transcription or "")
    random = np.random.default_rng([SEED, fold, training])
    clips = []
    for clip in corpus:
        of_label = texts[clip.label or ""]
        there = [text for k, some in enumerate(of_label) if (k != fold) == training for text in some]
        clips.append(replace(clip, transcription=str(random.choice(there))))
    return Corpus(clips)


if __name__ == "__main__":
    main()
