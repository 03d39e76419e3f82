"""Which seconds of a clip speak for a label."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

import numpy as np

from emovoz.corpus import Clip, seconds_of
from emovoz.explanation.judge import Features, Judge
from emovoz.explanation.occlusion import Sound, Stretch, exchanged
from emovoz.explanation.stretches import by_stretch, edges_of, windows_of

SPEECH = "speech"


@dataclass(frozen=True)
class SecondScore:
    """A short stretch of a clip.

    Attributes:
        start, end: seconds from the start of the clip.
        score: by how much more the log-odds of the label fall where the half seconds that hold it are hidden than
            where others of the clip are; above zero it speaks for the label more than the rest does.
        attention: the share of the head's attention that it has; None where the pooling learns no attention.
    """

    start: float
    end: float
    score: float
    attention: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "score": round(self.score, 4),
            **({} if self.attention is None else {"attention": round(self.attention, 4)}),
        }


def length_of(clip: Clip) -> float:
    """Seconds of a clip's sound."""
    assert clip.audio is not None
    return seconds_of(clip.audio, start=clip.start, end=clip.end)


def edges_of_clip(judge: Judge, clip: Clip, features: Features) -> list[float]:
    """Where its stretches begin and end; of features that are no stretch of time its audio alone is cut."""
    timed = judge.encoders.branches[SPEECH].frame_rate is not None
    seconds = length_of(clip)
    return edges_of(seconds, features[SPEECH].shape[1] if timed else round(50 * seconds))


def second_scores(
    judge: Judge, clip: Clip, features: Features, label: str, attention: np.ndarray | None = None
) -> tuple[SecondScore, ...]:
    """The stretches of a clip, whole and in order; none where there is no speech or too little to be cut.

    Args:
        judge: what decides.
        clip: what is explained.
        features: of the clip.
        label: what the seconds speak for.
        attention: weight of each frame of speech [time].
    """
    if SPEECH not in features:
        return ()
    edges = edges_of_clip(judge, clip, features)
    windows = windows_of(edges)
    if not windows:
        return ()
    whole, hidden = judge.log_odds(features, _hidden(judge, clip, features, windows), label)
    falls = [float(whole - one) for one in hidden]
    # what is quiet anywhere may sound sad: that says nothing of where, so it is taken from all
    scores = by_stretch([fall - fmean(falls) for fall in falls])
    shares = [None] * len(scores) if attention is None else _shares(attention, edges)
    return tuple(map(SecondScore, edges, edges[1:], scores, shares))


def _hidden(judge: Judge, clip: Clip, features: Features, windows: Sequence[Stretch]) -> Iterator[Features]:
    """The clip without each window: its frames exchanged for those of the clip's background noise.

    Features that are no stretch of time are made of the clip with the window silenced.
    """
    sound = Sound.of(judge, clip)
    rest = {name: of for name, of in features.items() if name != SPEECH}
    if judge.encoders.branches[SPEECH].frame_rate is None:
        yield from judge.encoded((sound.without([one]) for one in windows), rest)
        return
    (noise,) = judge.encoded([sound.without([(0.0, windows[-1][1])])], {})
    for one in windows:
        yield {**rest, SPEECH: exchanged(features[SPEECH], noise[SPEECH], sound.seconds, [one])}


def _shares(attention: np.ndarray, edges: Sequence[float]) -> list[float | None]:
    places = np.round(np.array(edges) / edges[-1] * len(attention)).astype(int)
    return [float(attention[first:last].sum()) for first, last in pairwise(places)]
