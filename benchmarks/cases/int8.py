"""What int8 encoders cost in macro-F1: the same heads, asked by float32 and by int8 features of voices unheard."""

import tempfile

import numpy as np
import torch
from record import SPANISH

from emovoz import Corpus, ExportedRecognizer, FeatureStore, Recipe, Recognizer, export, train
from emovoz.corpus import grouped_folds, load_audio
from emovoz.evaluation.metrics import bootstrap, interval, mean_scores
from emovoz.features import ClipFeatures, default_store, features_of
from emovoz.features.store import stored
from emovoz.inference import pooled

TITLE = "macro-F1 by encoders in int8"
FOLDS, RESAMPLES = 7, 2000


def measured() -> str:
    """Train a head for each fold, and score it twice."""
    if not SPANISH.is_dir():
        return "Needs the development data spanish-elicited beside the project."
    corpus = Corpus.from_manifest(SPANISH / "manifest.csv", SPANISH / "audio").without("surprise")
    store, recipe = FeatureStore(default_store()), Recipe.load("speech")
    int8: list[ClipFeatures] = []
    decided = np.zeros((2, len(corpus)), dtype=int)
    shift = np.zeros(len(corpus))
    for test in grouped_folds(corpus, "speaker", FOLDS):
        learn = [i for i in range(len(corpus)) if i not in set(test)]
        recognizer = train(corpus.select(learn), recipe, store=store)
        float32, _ = features_of(corpus.select(test), recognizer.encoders, store)
        int8 = int8 or _int8_features(recognizer, corpus)
        scores = np.stack([_scores(recognizer, of) for of in (list(float32), [int8[i] for i in test])])
        decided[:, test] = scores.argmax(2)
        shift[test] = np.abs(scores[0] - scores[1]).max(1)
    truth = np.array([corpus.labels.index(label) for label in corpus.values("label")])
    return _told(truth, decided, shift, len(corpus.labels))


def _int8_features(recognizer: Recognizer, corpus: Corpus) -> list[ClipFeatures]:
    """Of every clip, by the export: the encoder is the same in all folds."""
    with tempfile.TemporaryDirectory() as scratch:
        exported: ExportedRecognizer = export(recognizer, f"{scratch}/int8", quantize=True)
        encode = exported.speech_encoder.encode
        waveforms = (load_audio(clip.audio) for clip in corpus if clip.audio is not None)
        return [ClipFeatures({"speech": stored(torch.from_numpy(encode(waveform)))}) for waveform in waveforms]


def _scores(recognizer: Recognizer, features: list[ClipFeatures]) -> np.ndarray:
    return recognizer.decided(pooled(recognizer.head, features))


def _told(truth: np.ndarray, decided: np.ndarray, shift: np.ndarray, classes: int) -> str:
    draws = bootstrap(truth, decided[:, None], classes, np.arange(len(truth)), RESAMPLES, 0)["macro_f1"]
    values = [mean_scores(truth, one[None], classes)["macro_f1"] for one in decided]
    intervals = [interval(draws[:, i]) for i in range(2)]
    low, high = interval(draws[:, 1] - draws[:, 0])
    within = intervals[0][0] <= values[1] <= intervals[0][1]
    rows = [
        f"| {name} | {value:.3f} [{low:.3f}, {high:.3f}] |"
        for name, value, (low, high) in zip(("float32", "int8"), values, intervals, strict=True)
    ]
    lines = [
        f"spanish-elicited without surprise, {len(truth)} clips, {FOLDS} folds by speaker; recipe `speech`, whose head",
        "is trained on float32 features in each fold, then asked about the same test clips by features of Whisper base",
        "in float32 (torch) and in int8 (`emovoz export --quantize`, one clip at a time).",
        "",
        "| features of the test clips | macro-F1 |",
        "|---|---|",
        *rows,
        f"| int8 less float32, the same resamples | {values[1] - values[0]:+.3f} [{low:+.3f}, {high:+.3f}] |",
        "",
        f"int8 lies {'within' if within else '**outside**'} the interval of float32. Another label: "
        f"{(decided[0] != decided[1]).mean():.1%} of the clips; largest change of a probability in a clip: "
        f"median {np.median(shift):.3f}, at most {shift.max():.3f}.",
    ]
    return "\n".join(lines)
