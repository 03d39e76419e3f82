"""The features of a corpus, read from the store one clip at a time."""

from collections.abc import Sequence
from typing import overload

from emovoz.corpus import Corpus
from emovoz.features.batch import ClipFeatures
from emovoz.features.encode import FrozenEncoders
from emovoz.features.store import FeatureStore


class StoredFeatures(Sequence[ClipFeatures]):
    """Features of each clip of a corpus, in its order; all of them must be in the store (see `extract`)."""

    def __init__(self, corpus: Corpus, encoders: FrozenEncoders, store: FeatureStore) -> None:
        self.encoders, self.store = encoders, store
        branches = encoders.branches
        self.keys = [{name: branches[name].key(clip) for name in encoders.modalities(clip)} for clip in corpus]

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, i: int) -> ClipFeatures: ...
    @overload
    def __getitem__(self, i: slice) -> list[ClipFeatures]: ...
    def __getitem__(self, i: int | slice) -> ClipFeatures | list[ClipFeatures]:
        if isinstance(i, slice):
            return [self._read(keys) for keys in self.keys[i]]
        return self._read(self.keys[i])

    def _read(self, keys: dict[str, str]) -> ClipFeatures:
        branches = self.encoders.branches
        return ClipFeatures(
            {
                name: self.store.read(branches[name].encoder.fingerprint, key, branches[name].layers)
                for name, key in keys.items()
            }
        )
