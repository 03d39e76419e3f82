"""The features of a corpus, read from the store one clip at a time."""

from emovoz.corpus import Corpus
from emovoz.features.batch import ClipFeatures, ClipSequence
from emovoz.features.encode import FrozenEncoders
from emovoz.features.store import FeatureStore


class StoredFeatures(ClipSequence):
    """Features of each clip of a corpus, in its order; all of them must be in the store (see `extract`)."""

    def __init__(self, corpus: Corpus, encoders: FrozenEncoders, store: FeatureStore) -> None:
        self.branches, self.store = encoders.branches, store
        self.keys = [{name: self.branches[name].key(clip) for name in encoders.modalities(clip)} for clip in corpus]

    def __len__(self) -> int:
        return len(self.keys)

    def fetch(self, i: int) -> ClipFeatures:
        """The features of clip i, by memory map."""
        return ClipFeatures(
            {
                name: self.store.read(self.branches[name].encoder.fingerprint, key, self.branches[name].layers)
                for name, key in self.keys[i].items()
            }
        )
