"""What is lost when the words or the sound of a clip are taken away.

The texts of the elicited corpus carry no emotion, so pairs are *constructed*: each clip gets a random transcript of
EmoSPeech 2024 with the same label. Speakers are never shared between training and test, and neither are transcripts.

Needs the development data beside the project. Run: python benchmarks/missing_modality.py
Writes what it measured into benchmarks/RESULTS.md, under its own heading.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from record import EMOSPEECH, SPANISH, machine, need_data, score, write_section

from emovoz import Clip, Corpus, FeatureStore, Recipe, evaluate, train
from emovoz.corpus import grouped_folds
from emovoz.evaluation import metrics

HEADING = "## A modality taken away"
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
