"""Which words of a clip speak for a label."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emovoz.corpus import Clip
from emovoz.explanation.judge import Features, Judge
from emovoz.explanation.occlusion import token_words, without_words


@dataclass(frozen=True)
class WordScore:
    """A word of a clip.

    Attributes:
        text: the word with its punctuation.
        score: by how much the log-odds of the label fall without it; below zero where it speaks against the label.
        start, end: seconds from the start of the clip, None where they are not known.
        attention: the share of the head's attention that it has; None where the pooling learns no attention.
    """

    text: str
    score: float
    start: float | None = None
    end: float | None = None
    attention: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        times = {} if self.start is None else {"start": self.start, "end": self.end}
        shares = {} if self.attention is None else {"attention": round(self.attention, 4)}
        return {"text": self.text, "score": round(self.score, 4), **times, **shares}


def words_of(clip: Clip) -> list[str]:
    """What blanks separate in the transcription, punctuation included."""
    return (clip.transcription or "").split()


def word_scores(
    judge: Judge, clip: Clip, features: Features, label: str, attention: np.ndarray | None = None
) -> tuple[WordScore, ...]:
    """The words of a clip in order; none where the words are not heard.

    Args:
        judge: what decides.
        clip: what is explained.
        features: of the clip.
        label: what the words speak for.
        attention: weight of each token of the text [token].
    """
    words = words_of(clip) if judge.of_modality(features, "text") else []
    variants = (without_words(judge, features, words, {i}) for i in range(len(words)))
    whole, hidden = judge.log_odds(features, variants, label)
    times = clip.word_times or [(None, None)] * len(words)
    shares = [None] * len(words) if attention is None else _shares(judge, words, attention)
    return tuple(
        WordScore(word, float(whole - one), *time, attention=share)
        for word, one, time, share in zip(words, hidden, times, shares, strict=True)
    )


def _shares(judge: Judge, words: list[str], attention: np.ndarray) -> list[float | None]:
    places = token_words(judge, "text", " ".join(words))
    return [float(attention[[place == i for place in places]].sum()) for i in range(len(words))]
