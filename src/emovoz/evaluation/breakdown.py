"""What lies behind the scores: speakers, the hardest clips, the layers that a head weighs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emovoz.corpus import Clip
from emovoz.evaluation.metrics import UNSCORED, mean_scores
from emovoz.features import FrozenEncoders
from emovoz.inference.thresholds import decisions
from emovoz.model import Head

HARDEST = 20


def speaker_scores(
    clips: Sequence[Clip], truth: np.ndarray, predicted: np.ndarray, classes: int
) -> list[dict[str, Any]]:
    """Clips, accuracy and UAR of every speaker that is named, means over the runs, in the order of their names.

    UAR is the mean recall of the labels that the speaker has, and needs no clip of any other. Macro-F1 would add a
    class of F1 0 for every stray guess of a label that the speaker never voices, which with few clips is mostly chance.

    Args:
        clips: labelled.
        truth: class indices [clips].
        predicted: class indices [runs, clips]; -1 where a clip is not scored.
        classes: how many labels there are.
    """
    rows: dict[str, list[int]] = {}
    for i, clip in enumerate(clips):
        if clip.speaker:
            rows.setdefault(clip.speaker, []).append(i)
    told = []
    for speaker, own in sorted(rows.items()):
        scores = mean_scores(truth[own], predicted[:, own], classes)
        scored = round((predicted[:, own] != UNSCORED).sum(1).mean())
        told.append({"speaker": speaker, "n": scored, "accuracy": scores["accuracy"], "uar": scores["uar"]})
    return told


def hardest_clips(
    clips: Sequence[Clip],
    truth: np.ndarray,
    scores: np.ndarray,
    labels: Sequence[str],
    thresholds: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """The clips whose true label got the least probability, at most 20, the hardest first.

    Args:
        clips: labelled.
        truth: class indices [clips].
        scores: probabilities, means over the runs [clips, labels].
        labels: names of the classes.
        thresholds: by which they are decided, means over the runs [clips, labels]; None where all are equal.
    """
    decided = decisions(scores, thresholds)
    given = scores[np.arange(len(truth)), truth]
    ranked = sorted(range(len(clips)), key=lambda i: (given[i], clips[i].id))[:HARDEST]
    return [
        {
            "id": clips[i].id,
            "label": labels[truth[i]],
            "predicted": labels[int(decided[i])],
            "label_probability": float(given[i]),
            "predicted_probability": float(scores[i, decided[i]]),
            "speaker": clips[i].speaker,
            "transcription": clips[i].transcription or None,
        }
        for i in ranked
    ]


def named_weights(head: Head, encoders: FrozenEncoders) -> dict[str, dict[int, float]]:
    """By modality, the weight of each encoder layer that a head mixes."""
    return {
        name: dict(zip(encoders.branches[name].mixed, weights, strict=True))
        for name, weights in head.layer_weights.items()
    }


def layer_weights(fits: Sequence[Mapping[str, Mapping[int, float]]]) -> dict[str, list[dict[str, Any]]]:
    """By modality, each encoder layer's weight: mean, least and greatest over the fits that mix it.

    Args:
        fits: `named_weights` of each head.
    """
    found: dict[str, dict[int, list[float]]] = {}
    for fit in fits:
        for name, weights in fit.items():
            for layer, weight in weights.items():
                found.setdefault(name, {}).setdefault(layer, []).append(weight)
    return {
        name: [
            {"layer": layer, "weight": float(np.mean(of)), "min": min(of), "max": max(of)}
            for layer, of in sorted(weights.items())
        ]
        for name, weights in found.items()
    }
