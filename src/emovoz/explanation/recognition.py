"""explain: a recogniser's decision for one clip, explained and checked."""

from typing import TYPE_CHECKING

import numpy as np

from emovoz.corpus import Clip
from emovoz.errors import ClipError, InputError, did_you_mean
from emovoz.explanation.check import DRAWS, SEED, check_seconds, check_words
from emovoz.explanation.evidence import evidence_of
from emovoz.explanation.explanation import Explanation
from emovoz.explanation.judge import Features, Judge
from emovoz.explanation.seconds import length_of
from emovoz.explanation.words import words_of
from emovoz.features import ClipFeatures, encode_clips
from emovoz.inference.inputs import Inputs, clips_of, with_text
from emovoz.inference.scores import inputs_of
from emovoz.model.attention import attention_weights
from emovoz.transcription.clips import Recognise, lacks_words, transcript_of, with_words

if TYPE_CHECKING:
    from emovoz.inference import Recognizer

LONGEST_SECONDS = 60.0
"""What lies in longer recordings is no one utterance, and the check encodes the clip twenty times."""
MOST_WORDS = 300
"""More are not said in a minute; the head decides anew without each."""


def explain(
    recognizer: "Recognizer",
    clip: Clip,
    *,
    label: str | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Explanation:
    """Explain the decision for a clip, and check the explanation.

    Args:
        recognizer: what decides.
        clip: at most a minute; of a longer recording, a part by `start` and `end`.
        label: what to explain in the place of the decision.
        draws: random choices that the check compares with.
        seed: of the check.

    Raises:
        InputError: a clip that cannot be judged or is too long, or an unknown label.
    """
    if label is not None and label not in recognizer.labels:
        raise InputError(
            f"no label {label!r}; this model tells apart {', '.join(recognizer.labels)}"
            f"{did_you_mean(label, recognizer.labels)}"
        )
    _check_length(clip)
    if len(words_of(clip)) > MOST_WORDS:
        raise InputError(
            f"{clip.describe()}: has {len(words_of(clip))} words, and at most {MOST_WORDS} can be explained; "
            "name a part of it with its own words"
        )
    (prediction,) = recognizer.predict(clip)
    found = next(encode_clips([clip], recognizer.encoders))
    if isinstance(found, ClipError):
        raise InputError(f"{clip.describe()}: {found}")
    judge, features = judge_of(recognizer), found.by_modality
    assert prediction.label is not None
    attention = _attention(recognizer, features)
    evidence = evidence_of(judge, clip, features, label or prediction.label, attention)
    checks = {
        "seconds": check_seconds(judge, clip, features, evidence, draws=draws, seed=seed),
        "words": check_words(judge, clip, features, evidence, draws=draws, seed=seed),
    }
    return Explanation(prediction, evidence, {name: one for name, one in checks.items() if one is not None}, clip)


def explain_input(
    recognizer: "Recognizer",
    clip: Inputs,
    *,
    rate: int | None = None,
    text: str | None = None,
    label: str | None = None,
    transcriber: Recognise | None = None,
) -> Explanation:
    """Explain the decision for whatever is given, and check the explanation.

    Args:
        recognizer: what decides.
        clip: a file, samples or a `Clip`, of at most a minute.
        rate: of samples that come as an array, Hz.
        text: what is said.
        label: what to explain in the place of the decision.
        transcriber: recognises what is said where nobody tells (`emovoz.transcription.Transcriber`).

    Raises:
        InputError: a clip that cannot be judged or is too long, several of them, or an unknown label.

    >>> from emovoz import Recognizer
    >>> explanation = Recognizer.from_pretrained(model).explain(recording, text="¡Devuélveme el dinero!")
    >>> [word.text for word in explanation.words], sorted(explanation.modalities.evidence)
    (['¡Devuélveme', 'el', 'dinero!'], ['speech', 'text'])
    """
    clips = list(with_text(clips_of(clip, rate=rate), text))
    if len(clips) != 1:
        raise InputError(f"one clip at a time can be explained, not {len(clips)}")
    given = clips[0]
    if transcriber is not None and lacks_words(given):
        _check_length(given)
        given = with_words(given, transcript_of(given, transcriber))
    return explain(recognizer, given, label=label)


def judge_of(recognizer: "Recognizer") -> Judge:
    """A recogniser as what decides."""
    return Judge.of(recognizer.head, recognizer.encoders, recognizer.temperature)


def _check_length(clip: Clip) -> None:
    if clip.audio is None:
        return
    try:
        seconds = length_of(clip)
    except ClipError as error:
        raise InputError(f"{clip.describe()}: {error}") from error
    if seconds > LONGEST_SECONDS:
        raise InputError(
            f"{clip.describe()}: lasts {seconds:.0f} s, and at most {LONGEST_SECONDS:.0f} s can be explained; "
            "name a part of it by its start and end"
        )


def _attention(recognizer: "Recognizer", features: Features) -> dict[str, np.ndarray]:
    weights = attention_weights(recognizer.head, inputs_of(recognizer.head, [ClipFeatures(features)]))
    return {name: of.numpy() for name, of in weights.items()}
