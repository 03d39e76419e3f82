"""Encoding a corpus part by part, by jobs next to each other that fill one store."""

import shutil
from collections.abc import Iterable, Sequence

from emovoz.corpus import Corpus
from emovoz.features.encode import FrozenEncoders
from emovoz.features.extraction import Extraction, extract
from emovoz.features.shards import is_shard
from emovoz.features.store import CLEAN, FeatureStore
from emovoz.features.views import View


def extract_part(
    corpus: Corpus,
    encoders: FrozenEncoders,
    store: FeatureStore,
    part: int,
    of: int,
    *,
    views: Sequence[View] = (),
    workers: int = 2,
) -> Extraction:
    """Put the features of a part of the clips into the store; several parts may be encoded at once.

    Who writes to a store holds its lock. So a part is encoded into a folder of its own beside the store,
    STORE.parts/K-of-N, whose shards are moved into the store when it is done. A killed part goes on from there.

    Args:
        part: which, from 1.
        of: how many parts there are; of all clips every so-manieth is in the part.
        corpus, encoders, store, views, workers: as in `extract`.

    Raises:
        InputError: as `extract` does.
    """
    beside = _PartStore(store, part, of)
    try:
        # every part has clips from everywhere, so that all take about as long
        return extract(corpus.select(range(part - 1, len(corpus), of)), encoders, beside, views=views, workers=workers)
    finally:
        beside.move_in()


class _PartStore(FeatureStore):
    """A store beside another, which lacks what neither of them has."""

    def __init__(self, whole: FeatureStore, part: int, of: int) -> None:
        super().__init__(whole.root.with_name(f"{whole.root.name}.parts") / f"{part}-of-{of}")
        self.whole = whole

    def missing(self, fingerprint: str, keys: Iterable[str], layers: Sequence[int], view: str = CLEAN) -> list[str]:
        lacking = super().missing(fingerprint, self.whole.missing(fingerprint, keys, layers, view), layers, view)
        return [key for key in lacking if self.absent_layers(fingerprint, key, layers, view)]

    def absent_layers(self, fingerprint: str, key: str, layers: Sequence[int], view: str = CLEAN) -> list[int]:
        here = super().absent_layers(fingerprint, key, layers, view)
        there = self.whole.absent_layers(fingerprint, key, layers, view)
        return [layer for layer in here if layer in there]

    def move_in(self) -> None:
        """Move all shards into the other store, and delete what is left."""
        for folder in self.root.iterdir() if self.root.is_dir() else ():
            shards = [path for path in folder.iterdir() if is_shard(path.name)]
            if shards:
                with self.whole.writing(folder.name) as writer:
                    for shard in shards:
                        shard.replace(writer.folder / shard.name)
        shutil.rmtree(self.root, ignore_errors=True)
        if self.root.parent.is_dir() and not any(self.root.parent.iterdir()):
            self.root.parent.rmdir()
