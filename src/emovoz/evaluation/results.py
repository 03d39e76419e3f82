"""results.json: the one schema of every evaluation, and the files that go with it."""

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from emovoz.corpus import Clip, Corpus
from emovoz.corpus.tables import csv_row
from emovoz.evaluation.breakdown import hardest_clips, speaker_scores
from emovoz.evaluation.metrics import SCORES, UNSCORED, calibration, mean_scores, score
from emovoz.evaluation.report import write_report
from emovoz.evaluation.sounds import clips_shown, sounds_of
from emovoz.files import write_whole
from emovoz.inference.thresholds import decisions
from emovoz.recipe import Recipe

INTERVAL = "95 %, percentile bootstrap; ci95: over clips; ci95_speakers: over whole speakers"
LIBRARIES = ("emovoz", "torch", "transformers", "scikit-learn", "numpy")


def results_of(
    corpus: Corpus,
    scores: np.ndarray,
    labels: Sequence[str],
    recipe: Recipe,
    *,
    protocol: Mapping[str, Any],
    seeds: Sequence[int],
    folds: Sequence[Mapping[str, Any]] = (),
    layers: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]] = (),
    seconds: Mapping[str, float],
    thresholds: np.ndarray | None = None,
) -> dict[str, Any]:
    """Results of one protocol.

    Args:
        corpus: the clips that were scored; those without a label count in no score.
        scores: probabilities [seeds, clips, labels]; NaN where a clip is not scored. `n` counts those of one run.
        labels: what was told apart.
        recipe: how it was trained.
        protocol: what was done, by name.
        seeds: one a run.
        folds: their groups and scores, each with `macro_f1`, `uar` and `accuracy`.
        layers: what `layer_weights` gives.
        history: epochs of each fit.
        seconds: time taken by each stage.
        thresholds: by which labels are decided [seeds, clips, labels]; None where the most probable label decides.
    """
    index = {label: i for i, label in enumerate(labels)}
    counted = ~np.isnan(scores[..., 0])
    labelled = [i for i, clip in enumerate(corpus) if clip.label and counted[:, i].any()]
    clips = [corpus.clips[i] for i in labelled]
    truth = np.array([index[clip.label or ""] for clip in clips], dtype=int)
    known = scores[:, labelled]
    decided = decided_where_scored(scores, thresholds)[:, labelled]
    typical = None if thresholds is None else thresholds[:, labelled].mean(0)
    measured: dict[str, Any] = dict.fromkeys((*SCORES, "per_class", "confusion"))
    calibrated: dict[str, Any] = dict.fromkeys(("ece", "nll", "brier", "reliability"))
    by_seed: list[dict[str, Any]] = [{"seed": seed} for seed in seeds]
    if labelled:
        settings = {"resamples": recipe.evaluation.bootstrap, "seed": recipe.evaluation.seed}
        measured = score(truth, decided, labels, speakers=[clip.speaker for clip in clips], **settings)
        calibrated = calibration(truth, known)
        for entry, run in zip(by_seed, decided, strict=True):
            entry["macro_f1"] = mean_scores(truth, run[None], len(labels))["macro_f1"]
    return {
        "protocol": {**protocol, "interval": INTERVAL},
        "n": round(counted[:, labelled].sum(1).mean()),
        **measured,
        "labels": list(labels),
        **calibrated,
        "seeds": by_seed,
        "folds": list(folds),
        "by_fold": _spread(folds),
        "speakers": speaker_scores(clips, truth, decided, len(labels)),
        "hardest": hardest_clips(clips, truth, np.nanmean(known, axis=0), labels, typical),
        "layer_weights": dict(layers),
        "recipe": recipe.model_dump(),
        "data": {
            "fingerprint": corpus.fingerprint,
            "n": len(corpus),
            "speakers": len({clip.speaker for clip in corpus if clip.speaker}) or None,
        },
        "versions": versions(),
        "seconds": dict(seconds),
        "history": list(history),
    }


def decided_where_scored(scores: np.ndarray, thresholds: np.ndarray | None) -> np.ndarray:
    """Class indices as `decisions` gives them, -1 where the scores are NaN: the clip is not scored."""
    return np.where(np.isnan(scores[..., 0]), UNSCORED, decisions(scores, thresholds))


def versions() -> dict[str, str]:
    """Of Python and of the libraries that results may depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _spread(folds: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]] | None:
    """Mean and standard deviation of the scores of the folds."""
    if len(folds) < 2:
        return None
    values = {name: [fold[name] for fold in folds] for name in SCORES}
    return {name: {"mean": statistics.fmean(of), "sd": statistics.stdev(of)} for name, of in values.items()}


def prediction_rows(
    corpus: Corpus, scores: np.ndarray, labels: Sequence[str], thresholds: np.ndarray | None = None, **more: Any
) -> list[dict[str, Any]]:
    """One row a clip for predictions.csv: id, true and decided label, probabilities [clips, labels].

    A clip that is not scored (NaN) has no decision and no probabilities.
    """
    decided = decided_where_scored(scores, thresholds)
    unscored = decided == UNSCORED
    return [
        {
            "id": clip.id,
            **{name: value[i] if isinstance(value, Sequence) else value for name, value in more.items()},
            "label": clip.label or "",
            "predicted": "" if unscored[i] else labels[int(decided[i])],
            **{f"score_{label}": None if unscored[i] else float(p) for label, p in zip(labels, row, strict=True)},
        }
        for i, (clip, row) in enumerate(zip(corpus, scores, strict=True))
    ]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV text."""
    columns = list(rows[0])
    return "".join(f"{csv_row(cells)}\n" for cells in [columns, *([row[name] for name in columns] for row in rows)])


def save_results(
    directory: Path,
    results: Mapping[str, Any],
    predictions: Mapping[str, Sequence[Mapping[str, Any]]],
    title: str,
    clips: Sequence[Clip] = (),
) -> None:
    """Write results.json, report.html and a CSV of predictions (file name: rows) into a folder.

    Args:
        directory: the folder.
        results: of a run, or of several.
        predictions: rows by the name of their file.
        title: of the report.
        clips: among which are those that the report lets be heard.
    """
    write_whole(directory / "results.json", json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    for name, rows in predictions.items():
        write_whole(directory / name, table(rows))
    by_id = {clip.id: clip for clip in clips}
    shown = clips_shown(results.get("runs", {"": results}).values())
    sounds = sounds_of(by_id[one] for one in shown if one in by_id)
    write_report(results, directory / "report.html", title=title, sounds=sounds)
