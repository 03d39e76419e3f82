"""Term frequencies of the n-grams of a text: words encoded by counting them, with no weights to load."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from emovoz.encoders.fingerprint import fingerprint
from emovoz.settings import Ngrams
from emovoz.term_frequencies import places, term_frequencies


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
        self.settings = settings
        self.dim = places(characters=settings.characters, words=settings.words, buckets=settings.buckets)
        self.fingerprint = fingerprint("n-grams", **settings.model_dump(mode="json"))

    def encode_each(self, texts: Sequence[str], layers: Sequence[int] | None = None) -> list[Tensor]:
        """Term frequencies [1, 1, dim] of each text; a text without words has none."""
        chosen = self.settings
        counted = [
            term_frequencies(text, characters=chosen.characters, words=chosen.words, buckets=chosen.buckets)
            for text in texts
        ]
        return [torch.from_numpy(frequencies)[None, None] for frequencies in counted]
