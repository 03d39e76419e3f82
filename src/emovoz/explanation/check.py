"""The check of an explanation: what it points at is hidden in the clip itself, and the fall compared with chance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emovoz.corpus import Clip
from emovoz.explanation.evidence import Evidence
from emovoz.explanation.judge import Features, Judge, probability
from emovoz.explanation.occlusion import Sound, clip_without_words
from emovoz.explanation.seconds import SPEECH, edges_of_clip
from emovoz.explanation.stretches import apart, windows_of
from emovoz.explanation.words import words_of

SHARE = 0.2
"""Of a clip that is hidden."""
DRAWS = 20
SEED = 1
"""Another than that of the noise by which seconds are ranked."""

Places = frozenset[int]


@dataclass(frozen=True)
class Falls:
    """How far a quantity falls: where the top is hidden, and where as much is hidden at random.

    Attributes:
        top: the fall without the top.
        random: the mean fall of the random draws.
        interval: from the 2.5th to the 97.5th percentile of the draws.
    """

    top: float
    random: float
    interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "top": round(self.top, 6),
            "random": round(self.random, 6),
            "interval": [round(end, 6) for end in self.interval],
        }


@dataclass(frozen=True)
class Check:
    """Whether what an explanation points at matters to the decision.

    Attributes:
        hidden: what is hidden: seconds of sound, or how many words.
        draws: how many random choices of as much the top is compared with; all there are, where these are few.
        probability: how far the probability of the label falls.
        log_odds: how far its log-odds fall, which tell more where a probability is nearly 1.
    """

    hidden: float
    draws: int
    probability: Falls
    log_odds: Falls

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        falls = {"probability": self.probability.to_dict(), "log_odds": self.log_odds.to_dict()}
        return {"hidden": round(self.hidden, 3), "draws": self.draws, **falls}


def check_seconds(
    judge: Judge, clip: Clip, features: Features, evidence: Evidence, *, draws: int = DRAWS, seed: int = SEED
) -> Check | None:
    """Silence the top fifth of the seconds, encode the audio anew, and compare with windows drawn at random.

    Args:
        judge: what decides.
        clip: what is explained.
        features: of the clip.
        evidence: of the clip for a label.
        draws: random choices of as many windows as are at the top.
        seed: of the draws and of the noise that stands for silence.

    Returns:
        None where the seconds are not explained.
    """
    if not evidence.seconds:
        return None
    edges = edges_of_clip(judge, clip, features)
    windows = windows_of(edges)
    sound = Sound.of(judge, clip)
    rest = {name: of for name, of in features.items() if name != SPEECH}
    length = windows[0][1] - windows[0][0]
    count = max(1, round(SHARE * edges[-1] / length))

    of_windows = [one.score + other.score for one, other in zip(evidence.seconds, evidence.seconds[1:], strict=False)]
    top = apart(ranked(of_windows), count)
    others = drawn(len(windows), lambda order: apart(order, len(top)), draws, seed)
    clips = (sound.without([windows[i] for i in sorted(places)], seed) for places in (top, *others))
    whole, (without, *others_without) = judge.log_odds(features, judge.encoded(clips, rest), evidence.label)
    return _check(len(top) * length, whole, without, np.array(others_without))


def check_words(
    judge: Judge, clip: Clip, features: Features, evidence: Evidence, *, draws: int = DRAWS, seed: int = SEED
) -> Check | None:
    """Take the top fifth of the words out of the text, encode it anew, and compare with words drawn at random.

    Arguments as in `check_seconds`; None where there are fewer than two words.
    """
    words = words_of(clip)
    if len(evidence.words) < 2:
        return None
    count = max(1, round(SHARE * len(words)))
    rest = {name: of for name, of in features.items() if name not in judge.of_modality(features, "text")}
    top = frozenset(ranked([word.score for word in evidence.words])[:count])
    others = drawn(len(words), lambda order: frozenset(order[:count]), draws, seed)
    clips = (clip_without_words(clip, words, places) for places in (top, *others))
    whole, (without, *others_without) = judge.log_odds(features, judge.encoded(clips, rest), evidence.label)
    return _check(count, whole, without, np.array(others_without))


def ranked(scores: Sequence[float]) -> list[int]:
    """Places from the highest score to the lowest.

    >>> ranked([0.1, 0.7, 0.3])
    [1, 2, 0]
    """
    return sorted(range(len(scores)), key=lambda i: -scores[i])


def drawn(size: int, choose: Callable[[list[int]], Places], draws: int, seed: int) -> list[Places]:
    """Different random choices among so many places, at most so many; the same for the same seed."""
    random = np.random.default_rng(seed)
    found: dict[Places, None] = {}
    # one in ten may come again before it is taken that there are no more
    for _ in range(10 * draws):
        if len(found) < draws:
            found[choose(random.permutation(size).tolist())] = None
    return list(found)


def _check(hidden: float, whole: float, top: float, others: np.ndarray) -> Check:
    chance = probability(whole) - probability(others)
    return Check(
        hidden,
        len(others),
        _falls(float(probability(whole) - probability(top)), chance),
        _falls(float(whole - top), whole - others),
    )


def _falls(top: float, random: np.ndarray) -> Falls:
    low, high = np.percentile(random, [2.5, 97.5])
    return Falls(top, float(random.mean()), (float(low), float(high)))
