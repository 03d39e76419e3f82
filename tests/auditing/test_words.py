"""Transcriptions compared by their words."""

from itertools import combinations

import numpy as np
import pytest

from emovoz.auditing.words import near_duplicates
from emovoz.corpus.loops import loop_in
from emovoz.corpus.transcripts import normalised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("¡Qué alegría!", "que alegria"),
        ("Está   aquí,\nsí.", "esta aqui si"),
        ("ＡＢＣ １２", "abc 12"),
        ("Straße", "STRASSE"),
        ("«нет»", "Нет"),
    ],
)
def test_case_punctuation_and_accents_do_not_count(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_marks_that_are_letters_stay() -> None:
    assert normalised("की") != normalised("का")
    assert len(normalised("नमस्ते दुनिया")) == 2
    assert normalised("がき") != normalised("かき")


def test_characters_without_blanks_are_words() -> None:
    assert normalised("很高兴。") == ("很", "高", "兴")


@pytest.mark.parametrize("text", ["", " ", "…", "?!"])
def test_nothing_said_has_no_words(text: str) -> None:
    assert normalised(text) == ()


@pytest.mark.parametrize(
    ("text", "phrase", "times"),
    [
        ("y dijo " + "en el centro de la ciudad " * 60 + "en el", "en el centro de la ciudad", 60),
        ("no " * 12, "no", 12),
        ("que sí " * 6, "que sí", 6),
        ("a b c d a b c d a b c d e", "a b c d", 3),
        ("uno dos " + "tres cuatro " * 6 + "cinco " * 3, "tres cuatro", 6),
    ],
)
def test_a_loop_is_told_with_its_phrase_and_count(text: str, phrase: str, times: int) -> None:
    loop = loop_in(text.split())
    assert loop is not None
    assert (loop.phrase, loop.times) == (phrase, times)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no no no me voy",
        "muy muy muy muy muy muy muy muy muy muy muy bien",
        "quiero irme a mi casa quiero irme a mi casa",
        "todos los días todos los días todos los días voy",
        "a b c d x a b c d x y a b c d x",
    ],
)
def test_emphasis_is_no_loop(text: str) -> None:
    assert loop_in(text.split()) is None


def test_near_duplicates_are_those_of_the_definition_and_no_other() -> None:
    random = np.random.default_rng(0)
    texts = [tuple(str(random.integers(6)) for _ in range(random.integers(5, 30))) for _ in range(60)]
    texts += [(*text[: len(text) // 2], "new", *text[len(text) // 2 :]) for text in texts]
    texts += [("before", *text, "after", "it") for text in texts[:20]]
    texts = list(dict.fromkeys(texts))

    def sequences(text: tuple[str, ...]) -> set[tuple[str, ...]]:
        return {text[i : i + 3] for i in range(len(text) - 2)}

    expected = set()
    for one, other in combinations([text for text in texts if len(text) >= 8], 2):
        shared = len(sequences(one) & sequences(other))
        if shared >= 0.8 * min(len(sequences(one)), len(sequences(other))):
            expected.add(frozenset([one, other]))
    found = near_duplicates(texts)
    assert len(expected) > 20
    assert {frozenset([texts[pair.shorter], texts[pair.longer]]) for pair in found} == expected
    assert len(found) == len(expected)
