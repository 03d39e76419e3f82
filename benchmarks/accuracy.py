"""How accurate the recipes are, each protocol beside its baselines on the same folds.

Needs the development data beside the project and the extra `opensmile`. Run: python benchmarks/accuracy.py PROTOCOL,
one of speakers, adapted, sentences, words, pairs; --store DIR keeps features for the next run.
Writes what it measured into benchmarks/RESULTS.md, under the heading of the protocol.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from record import EMOSPEECH, SPANISH, machine, need_data, score, write_section

from emovoz import Clip, Corpus
from emovoz.corpus import grouped_folds

FOLDS, SEED = 7, 0
PLAIN = ["baseline-logreg", "baseline-egemaps-svm", "baseline-compare-svm"]
ELICITED = "spanish-elicited, 14 speakers, six classes, 7 speaker-grouped folds"


def main() -> None:
    """Measure one protocol, then write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("protocol", choices=PROTOCOLS)
    parser.add_argument("--store", type=Path)
    arguments = parser.parse_args()
    need_data()
    heading, measure = PROTOCOLS[arguments.protocol]
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        lines = measure(Path(scratch), arguments.store or Path(scratch) / "store")
        took = f"Everything in this section took {(time.perf_counter() - started) / 60:.0f} min."
    command = f"`python benchmarks/accuracy.py {arguments.protocol}`"
    write_section(heading, "\n".join([machine(), "", f"{command}: {lines[0]}", *lines[1:], "", took]))


def _speakers(scratch: Path, store: Path) -> list[str]:
    recipes = ["speech", "default", *PLAIN, "baseline-published"]
    results = _crossval(_elicited(), recipes, scratch, store)
    return [f"{ELICITED}, one seed; every choice is made within the training clips.", "", *_table(results)]


def _adapted(scratch: Path, store: Path) -> list[str]:
    lines = [f"{ELICITED}; speakers adapted to by unlabelled clips, which are not scored but where all enrol."]
    for adapt, seeds in (("all", 1), ("10", 3), ("3", 3)):
        options = ["--adapt", adapt]
        results = _crossval(_elicited(), ["speech", *PLAIN], scratch / adapt, store, options, seeds=seeds)
        draws = "" if adapt == "all" else f", {seeds} draws"
        lines += ["", f"`--adapt {adapt}`{draws}:", "", *_table(results)]
    return lines


def _sentences(scratch: Path, store: Path) -> list[str]:
    command = _elicited()
    command[command.index("--group") + 1] = "speaker,sentence"
    results = _crossval(command, ["speech", "baseline-logreg"], scratch, store)
    return [
        "spanish-elicited, six classes; 7 folds of speakers x 5 of sentences: test clips share neither with those",
        "trained on. One seed.",
        "",
        *_table(results),
    ]


def _words(scratch: Path, store: Path) -> list[str]:
    rows = []
    for recipe in ("text", "baseline-tfidf"):
        model, out = scratch / recipe, scratch / f"{recipe}-results"
        _emovoz("train", EMOSPEECH / "train.csv", "--recipe", recipe, "--out", model, "--store", store)
        _emovoz("evaluate", model, EMOSPEECH / "dev.csv", "--out", out, "--store", store)
        results = json.loads((out / "results.json").read_text())
        f1 = " | ".join(f"{row['f1']:.2f}" for row in results["per_class"].values())
        scores = f"{score(results, 'macro_f1')} | {score(results, 'accuracy')} | {results['ece']:.3f}"
        rows.append(f"| `{recipe}` | {scores} | {f1} |")
    submission = scratch / "submission.csv"
    _emovoz("evaluate", scratch / "text", EMOSPEECH / "test.csv", "--submission", submission, "--store", store)
    labels = list(results["per_class"])
    return [
        "EmoSPeech 2024 Task 1 (words only), trained on train.csv, scored on dev.csv (480 clips, 4 of them fear),",
        f"which chose nothing. The submission for test.csv has {len(submission.read_text().splitlines()) - 1} rows.",
        "",
        f"| recipe | macro-F1 [95 %] | accuracy [95 %] | ECE | F1: {' | '.join(labels)} |",
        f"|---|---|---|---|{'---|' * len(labels)}",
        *rows,
    ]


def _pairs(scratch: Path, store: Path) -> list[str]:
    scratch.mkdir(exist_ok=True)
    true, shuffled = scratch / "pairs.csv", scratch / "shuffled.csv"
    clips = _paired()
    _write(clips, true)
    _write(_shuffled(clips), shuffled)
    fusions = [_variant(scratch, name, settings) for name, settings in FUSIONS.items()]
    options = ["--audio-dir", SPANISH / "audio", "--group", "speaker", "--folds", FOLDS]
    results = _crossval([true, *options], ["default", "speech", "text", *fusions], scratch / "true", store)
    broken = _crossval([shuffled, *options], ["default"], scratch / "broken", store)
    return [
        "*constructed* pairs: each clip of spanish-elicited with a random EmoSPeech 2024 transcript of the same label",
        f"(seed {SEED}); 7 folds that share neither speakers nor transcripts, six classes, one seed. No two",
        "speakers share a transcript; of fear there are 19 in all, so they repeat. The last row: the same dealt anew",
        "to the clips of a fold, whatever their label, in training and test.",
        "",
        *_table({**results, "runs": {**results["runs"], "default, texts shuffled": broken}}),
    ]


GRADIENT = ["training.method=gradient", "training.epochs=20", "ngrams=null", "training.regularisation=1"]
SEQUENCES = ["model.standardise=false", "model.width=128", "model.pooling=attention", "training.epochs=6"]
FUSIONS = {
    "pooled": ["model.fusion=pooled"],
    "pooled-attention": [*GRADIENT, "model.fusion=pooled_attention"],
    "gated": [*GRADIENT, "model.fusion=gated"],
    "time": [*GRADIENT, *SEQUENCES, "model.fusion=time"],
    "cross-attention": [*GRADIENT, *SEQUENCES, "model.fusion=cross_attention"],
}
"""Other fusions: one regression on all vectors; by gradient, without n-grams, of the vectors and of the sequences."""


def _variant(scratch: Path, name: str, settings: Sequence[str]) -> Path:
    path = scratch / f"{name}.yaml"
    overrides = [part for setting in (f"name={name}", *settings) for part in ("--set", setting)]
    path.write_text(_emovoz("recipes", "default", *overrides))
    return path


def _paired() -> list[Clip]:
    """Each clip with a transcript of its label that no clip of another speaker has."""
    corpus = Corpus.from_manifest(SPANISH / "manifest.csv", SPANISH / "audio").without("surprise")
    speakers = sorted(set(corpus.values("speaker")))
    texts: dict[str, list[list[str]]] = {}
    for clip in Corpus.from_manifest(EMOSPEECH / "train.csv"):
        of_label = texts.setdefault(clip.label or "", [[] for _ in speakers])
        min(of_label, key=len).append(clip.transcription or "")
    random = np.random.default_rng(SEED)
    return [
        replace(clip, transcription=str(random.choice(texts[clip.label or ""][speakers.index(clip.speaker or "")])))
        for clip in corpus
    ]


def _shuffled(clips: Sequence[Clip]) -> list[Clip]:
    random, dealt = np.random.default_rng(SEED + 1), list(clips)
    for test in grouped_folds(Corpus(list(clips)), "speaker", FOLDS):
        for i, j in zip(test, random.permutation(test), strict=True):
            dealt[i] = replace(clips[i], transcription=clips[j].transcription)
    return dealt


def _write(clips: Sequence[Clip], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "label", "transcription", "speaker"])
        rows.writerows([clip.id, clip.label, clip.transcription, clip.speaker] for clip in clips)


def _elicited() -> list[Any]:
    clips = [SPANISH / "manifest.csv", "--audio-dir", SPANISH / "audio", "--exclude-label", "surprise"]
    return [*clips, "--group", "speaker", "--folds", FOLDS]


def _crossval(
    command: Sequence[Any],
    recipes: Sequence[str | Path],
    out: Path,
    store: Path,
    options: Sequence[str] = (),
    seeds: int = 1,
) -> dict[str, Any]:
    named = [part for recipe in recipes for part in ("--recipe", recipe)]
    _emovoz("crossval", *command, *named, *options, "--seeds", seeds, "--store", store, "--out", out)
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    return results


def _emovoz(*arguments: Any) -> str:
    command = [sys.executable, "-c", "from emovoz.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _table(results: Mapping[str, Any]) -> list[str]:
    """Each run with both intervals, and what the first has over it, paired."""
    against = {pair["b"]: pair for pair in results["comparisons"] if pair["a"] == next(iter(results["runs"]))}
    rows = []
    for name, run in results["runs"].items():
        cells = [score(run, "macro_f1"), _interval(run["macro_f1"]["ci95_speakers"]), f"{run['uar']['value']:.3f}"]
        pair = against.get(name)
        over = f"{pair['difference']['value']:+.3f} {_interval(pair['difference']['ci95'], '+')}" if pair else ""
        voices = _interval(pair["difference"]["ci95_speakers"], "+") if pair else ""
        test = f"{pair['mcnemar']['p']:.3f}" if pair else ""
        cells += [f"{run['ece']:.3f}", over, voices, test]
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    first = next(iter(results["runs"]))
    return [
        f"| recipe | macro-F1 [95 % over clips] | [95 % over speakers] | UAR | ECE | `{first}` minus it [over clips] "
        "| [over speakers] | McNemar p |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
    ]


def _interval(ends: Sequence[float] | None, sign: str = "") -> str:
    return f"[{ends[0]:{sign}.3f}, {ends[1]:{sign}.3f}]" if ends else ""


PROTOCOLS: dict[str, tuple[str, Callable[[Path, Path], list[str]]]] = {
    "speakers": ("## Accuracy: unseen speakers", _speakers),
    "adapted": ("## Accuracy: speakers known by unlabelled clips", _adapted),
    "sentences": ("## Accuracy: unseen speakers and sentences", _sentences),
    "words": ("## Accuracy: words alone", _words),
    "pairs": ("## Accuracy: sound and words, constructed pairs", _pairs),
}


if __name__ == "__main__":
    main()
