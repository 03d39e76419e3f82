"""A cross-validation by speaker as one command, beside a support vector machine on cached eGeMAPS."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ratio import Times, alternated
from record import SPANISH, score

from emovoz import Corpus, FeatureStore, Recipe, extract
from emovoz.corpus import demo_corpus, grouped_folds
from emovoz.errors import InputError
from emovoz.features import FrozenEncoders, features_of

TITLE = "7-fold cross-validation by speaker, full store"
FOLDS, SECONDS = 7, 60
BASELINE = """
import sys
import numpy as np
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

data = np.load(sys.argv[1])
found = data["labels"].copy()
for fold in np.unique(data["folds"]):
    test = data["folds"] == fold
    model = make_pipeline(StandardScaler(), LinearSVC(C=0.01, class_weight="balanced"))
    found[test] = model.fit(data["features"][~test], data["labels"][~test]).predict(data["features"][test])
print(f1_score(data["labels"], found, average="macro"))
"""


def measured() -> str:
    """Both whole processes, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        store, out = FeatureStore(scratch / "store"), scratch / "out"
        corpus = _corpus()
        extract(corpus, FrozenEncoders.of(Recipe.load("speech")), store)
        command = [*_command(), "--store", str(store.root), "--out", str(out)]
        told: list[str] = []
        try:
            _cache(corpus, store, scratch / "egemaps.npz")
        except InputError as error:
            return f"Not measured: {error}."
        script = [sys.executable, "-c", BASELINE, str(scratch / "egemaps.npz")]
        times = alternated(lambda: _run(command), lambda: told.append(_run(script)), rounds=3)
        return _page(times, len(corpus), json.loads((out / "results.json").read_text()), float(told[-1]))


def _page(times: Times, clips: int, results: dict[str, object], baseline: float) -> str:
    verdict = "yes" if times.seconds <= SECONDS else "**no**"
    return "\n".join(
        [
            f"`emovoz crossval --recipe speech --group speaker --folds {FOLDS} --seeds 1` on {clips} clips, process",
            "start to report: in each fold the strength of the regression is chosen among three by 5 inner folds, a",
            "temperature is fitted, and scores have bootstrap intervals. The baseline is a process that loads",
            "cached eGeMAPS (88 functionals a clip), scales and fits scikit-learn's LinearSVC (C 0.01, balanced) to",
            "the same folds: nothing is chosen, calibrated or reported.",
            "",
            "| | whole process, s [rounds] | macro-F1 | must take | |",
            "|---|---|---|---|---|",
            f"| emovoz | {_spread(times.ours)} | {score(results, 'macro_f1')} | {SECONDS} s | {verdict} |",
            f"| eGeMAPS + SVM | {_spread(times.baseline)} | {baseline:.3f} | | |",
        ]
    )


def _spread(seconds: Sequence[float]) -> str:
    return f"{np.median(seconds):.1f} [{min(seconds):.1f}, {max(seconds):.1f}]"


def _corpus() -> Corpus:
    if not SPANISH.is_dir():
        return demo_corpus()
    return Corpus.from_manifest(SPANISH / "manifest.csv", SPANISH / "audio").without("surprise")


def _command() -> list[str]:
    folder = SPANISH if SPANISH.is_dir() else Path(str(demo_corpus().clips[0].audio)).parents[1]
    where = [str(folder / "manifest.csv"), "--audio-dir", str(folder / "audio")]
    options = ["--recipe", "speech", "--group", "speaker", "--folds", str(FOLDS), "--seeds", "1"]
    excluded = ["--exclude-label", "surprise"] if SPANISH.is_dir() else []
    return [sys.executable, "-c", "from emovoz.cli import main; main()", "crossval", *where, *options, *excluded]


def _cache(corpus: Corpus, store: FeatureStore, path: Path) -> None:
    """The functionals, labels and folds of the clips, as the baseline reads them."""
    encoders = FrozenEncoders.of(Recipe.load("baseline-egemaps-svm"))
    features, _ = features_of(corpus, encoders, store)
    folds = np.zeros(len(corpus), dtype=int)
    for number, test in enumerate(grouped_folds(corpus, "speaker", FOLDS)):
        folds[test] = number
    rows = np.stack([clip.by_modality["speech"].float().flatten().numpy() for clip in features])
    np.savez(path, features=rows, labels=np.array(corpus.values("label")), folds=folds)


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
