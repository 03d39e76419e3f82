"""The features of a corpus: from the store, or encoded whenever they are asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from torch import Tensor

from emovoz.corpus import Clip, Corpus
from emovoz.errors import ClipError, InputError
from emovoz.features.batch import ClipFeatures, ClipSequence, StoredClipFeatures
from emovoz.features.encode import FrozenEncoders, clip_features, encode_clips
from emovoz.features.encoder_folder import StoredTensor
from emovoz.features.extraction import Extraction, check, extract
from emovoz.features.pieces import Piece
from emovoz.features.store import FeatureStore
from emovoz.features.views import View


def features_of(
    corpus: Corpus,
    encoders: FrozenEncoders,
    store: FeatureStore,
    *,
    views: Sequence[View] = (),
    workers: int = 2,
) -> tuple[ClipSequence, Extraction]:
    """Features of each clip of a corpus, in its order, and what had to be done for them.

    They come from the store, into which what is missing is put first; or, where the recipe wants none, from the
    encoders whenever they are asked for. Those of views (see `views_of`) are put into the store with them, and read by
    `features_of_views`.

    Raises:
        InputError: every clip that cannot be used, or a store without room.
    """
    if not encoders.cache:
        return EncodedFeatures(corpus, encoders), check(corpus, encoders, workers=workers)
    extraction = extract(corpus, encoders, store, views=views, workers=workers)
    return StoredFeatures(corpus, encoders, store), extraction


def features_of_views(
    corpus: Corpus, encoders: FrozenEncoders, store: FeatureStore, views: Sequence[View]
) -> list[ClipSequence]:
    """Features of every view of a corpus, from where `features_of` takes those of the clips."""
    altered = [encoders.altered(view) for view in views]
    if not encoders.cache:
        return [EncodedFeatures(corpus, one) for one in altered]
    return [StoredFeatures(corpus, one, store) for one in altered]


class StoredFeatures(ClipSequence):
    """Features of each clip of a corpus, in its order, read when asked for; all must be in the store (see `extract`).

    Where they lie is looked up once, for all clips. What is not there is an InputError: somebody has taken it away.
    """

    def __init__(self, corpus: Corpus, encoders: FrozenEncoders, store: FeatureStore) -> None:
        self.branches, self.store = encoders.branches, store
        self.pieces = [encoders.pieces(clip) for clip in corpus]

    def __len__(self) -> int:
        return len(self.pieces)

    def fetch(self, i: int) -> ClipFeatures:
        """The features of clip i."""
        pieces = self.pieces[i]
        if max(map(len, pieces.values())) > 1:
            return clip_features(pieces, self._read)
        place = range(len(self))[i]
        return StoredClipFeatures({name: self._whole(name, place) for name in pieces})

    def _whole(self, name: str, i: int) -> StoredTensor | Tensor:
        """The features of a clip that is one piece."""
        return self._found[name][i] if name in self._found else self._encoded(name, self.pieces[i][name][0])

    @cached_property
    def _found(self) -> dict[str, dict[int, StoredTensor]]:
        """Where those of each clip lie that is one piece, by branch."""
        found = {}
        for name, branch in self.branches.items():
            if branch.kept:
                whole = {i: pieces[name][0] for i, pieces in enumerate(self.pieces) if len(pieces.get(name, ())) == 1}
                keys = [piece.key for piece in whole.values()]
                with _put_in_before(self.store):
                    lying = self.store.find(branch.encoder.fingerprint, keys, branch.layers, branch.view)
                found[name] = dict(zip(whole, lying, strict=True))
        return found

    def _read(self, name: str, pieces: list[Piece]) -> Iterator[Tensor]:
        branch = self.branches[name]
        for piece in pieces:
            if branch.kept:
                with _put_in_before(self.store):
                    read = self.store.read(branch.encoder.fingerprint, piece.key, branch.layers, branch.view_of(piece))
                yield read
            else:
                yield self._encoded(name, piece)

    def _encoded(self, name: str, piece: Piece) -> Tensor:
        branch = self.branches[name]
        return branch.encode_one(piece, branch.read(piece))


@contextmanager
def _put_in_before(store: FeatureStore) -> Iterator[None]:
    """Tell what to do where features are not in the store that were put into it."""
    try:
        yield
    except KeyError as error:
        raise InputError(
            f"{store.root}: features that were there are gone; run the command again: they are encoded anew"
        ) from error


AT_ONCE = 16
"""Clips encoded together, their audio in memory; it does not change a result."""


class EncodedFeatures(ClipSequence):
    """Features of each clip, encoded anew whenever they are asked for."""

    def __init__(self, clips: Sequence[Clip] | Corpus, encoders: FrozenEncoders) -> None:
        self.clips, self.encoders = list(clips), encoders

    def __len__(self) -> int:
        return len(self.clips)

    def fetch(self, i: int) -> ClipFeatures:
        """The features of clip i."""
        return self.fetch_all([i])[0]

    def fetch_all(self, positions: Sequence[int]) -> list[ClipFeatures]:
        """The features of several clips, encoded together.

        Raises:
            InputError: a clip that cannot be used.
        """
        features = []
        for start in range(0, len(positions), AT_ONCE):
            clips = [self.clips[i] for i in positions[start : start + AT_ONCE]]
            for clip, found in zip(clips, encode_clips(clips, self.encoders), strict=True):
                if isinstance(found, ClipError):
                    raise InputError(f"{clip.describe()}: {found}")
                features.append(found)
        return features
