"""N-grams: counted as scikit-learn counts them, the same wherever and with whatever they are counted."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from emovoz.encoders.ngrams import TermFrequencies
from emovoz.model.join import TfIdf
from emovoz.settings import Ngrams

TEXTS = [
    "No, no y no.",
    "¡Qué alegría verte!",
    "que alegria, que alegria",
    "A mí no me grites",
    "",
    "verte no",
    "😀 ñ\u00a0_1  a",
]


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [
        ({}, [{"analyzer": "char_wb", "ngram_range": (2, 5)}]),
        ({"characters": None, "words": (1, 2)}, [{"token_pattern": r"\w+", "ngram_range": (1, 2)}]),
        (
            {"characters": (3, 3), "words": (1, 1)},
            [{"analyzer": "char_wb", "ngram_range": (3, 3)}, {"token_pattern": r"\w+", "ngram_range": (1, 1)}],
        ),
    ],
)
def test_tf_idf_is_that_of_scikit_learn(settings: dict[str, Any], theirs: list[dict[str, Any]]) -> None:
    counts = [
        HashingVectorizer(**one, n_features=1024, norm=None, alternate_sign=False).fit_transform(TEXTS).toarray()
        for one in theirs
    ]
    expected = TfidfTransformer(sublinear_tf=True).fit_transform(np.concatenate(counts, axis=1)).toarray()
    encoder = TermFrequencies(Ngrams(buckets=1024, **settings))
    frequencies = torch.cat(encoder.encode_each(TEXTS))[:, 0]
    assert frequencies.shape == (len(TEXTS), encoder.dim)
    scale = TfIdf(encoder.dim, weight=7.0)
    scale.fit(frequencies)
    # about the mean of the clips it was measured on
    np.testing.assert_allclose(scale(frequencies).numpy(), 7 * (expected - expected.mean(0)), atol=1e-5)


def test_case_and_the_way_accents_are_written_make_no_difference_and_accents_do() -> None:
    encoder = TermFrequencies(Ngrams(buckets=4096))
    composed, decomposed, loud, plain = encoder.encode_each(["sí, qué", "si\u0301, que\u0301", "SÍ, QUÉ", "si, que"])
    assert torch.equal(composed, decomposed)
    assert torch.equal(composed, loud)
    assert not torch.equal(composed, plain)


def test_words_of_one_letter_count() -> None:
    encoder = TermFrequencies(Ngrams(characters=None, words=(1, 1), buckets=256))
    assert [int((found > 0).sum()) for found in encoder.encode_each(["y a o", "", "¡!"])] == [3, 0, 0]


def test_other_settings_are_another_encoder() -> None:
    kinds = [Ngrams(), Ngrams(buckets=1024), Ngrams(characters=(2, 4)), Ngrams(words=(1, 1))]
    prints = [TermFrequencies(settings).fingerprint for settings in (*kinds, Ngrams())]
    assert len(set(prints)) == len(kinds)
    assert prints[0] == prints[-1]
