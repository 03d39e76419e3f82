"""Term frequencies of the n-grams of a text: words encoded by counting them, with no weights to load."""

import unicodedata
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from emovoz.encoders.fingerprint import fingerprint
from emovoz.settings import Ngrams


class TermFrequencies:
    """How often each n-gram is in a text, as 1 + log of the count, at the place that a stable hash gives it.

    Texts are compared in lower case and in Unicode's composed form; accents count. N-grams of characters stay within
    a word and see its borders; words are runs of letters, digits and underscores, those of one letter too. Each kind
    has `buckets` places of its own; n-grams that share one are counted together.

    Attributes:
        dim: places, of both kinds together.
        layers: 1, as of an encoder with one hidden state.
        fingerprint: hash of the settings.

    >>> frequencies = TermFrequencies(Ngrams(characters=None, words=(1, 1), buckets=256))
    >>> (counted,) = frequencies.encode_each(["No, no y no."])
    >>> counted.shape, sorted(counted[counted > 0].tolist())
    (torch.Size([1, 1, 256]), [1.0, 2.0986...])
    """

    layers = 1
    kindred: Mapping[str, str] = MappingProxyType({})

    def __init__(self, settings: Ngrams) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        counter = partial(
            HashingVectorizer, n_features=settings.buckets, lowercase=False, norm=None, alternate_sign=False
        )
        self.counters = []
        if settings.characters is not None:
            self.counters.append(counter(analyzer="char_wb", ngram_range=settings.characters))
        if settings.words is not None:
            self.counters.append(counter(token_pattern=r"\w+", ngram_range=settings.words))
        self.dim = settings.buckets * len(self.counters)
        self.fingerprint = fingerprint("n-grams", **settings.model_dump(mode="json"))

    def encode_each(self, texts: Sequence[str], layers: Sequence[int] | None = None) -> list[Tensor]:
        """Term frequencies [1, 1, dim] of each text; a text without words has none."""
        plain = [unicodedata.normalize("NFC", text).lower() for text in texts]
        return [torch.from_numpy(self._frequencies(text))[None, None] for text in plain]

    def _frequencies(self, text: str) -> np.ndarray:
        counts = np.concatenate([counter.transform([text]).toarray()[0] for counter in self.counters])
        return np.log(counts, out=np.full_like(counts, -1.0), where=counts > 0).astype(np.float32) + 1
