"""Encoding what the store lacks, in this process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from emovoz.errors import ClipError
from emovoz.features.ahead import read_ahead
from emovoz.features.branch import Branch
from emovoz.features.pieces import Piece
from emovoz.features.portions import Wanted, encode_portion, portions, read_portion
from emovoz.features.store import FeatureStore
from emovoz.progress import progress


@dataclass
class Done:
    """What has been done for one branch so far.

    Attributes:
        contents: encoded.
        size: of them, seconds or characters.
        bytes: stored.
        faults: why others could not be encoded, by key.
        unusable: size of those others.
    """

    contents: int = 0
    size: float = 0.0
    bytes: int = 0
    faults: dict[str, ClipError] = field(default_factory=dict)
    unusable: float = 0.0

    def plus(self, more: "Done") -> "Done":
        """Both together."""
        return Done(
            self.contents + more.contents,
            self.size + more.size,
            self.bytes + more.bytes,
            self.faults | more.faults,
            self.unusable + more.unusable,
        )


class Engine(Protocol):
    """What encodes the missing pieces, by branch and key, into a store: this process, or many."""

    def __call__(
        self, branches: Mapping[str, Branch], missing: Mapping[str, Mapping[str, Piece]], store: FeatureStore, /
    ) -> dict[str, Done]:
        """What was done for each branch."""


@dataclass(frozen=True)
class LocalEngine:
    """This process, with so many threads that decode audio."""

    workers: int = 2

    def __call__(
        self, branches: Mapping[str, Branch], missing: Mapping[str, Mapping[str, Piece]], store: FeatureStore, /
    ) -> dict[str, Done]:
        """Branch by branch; what cannot be used is not read again for each of its views."""
        done = {name: Done() for name in branches}
        unusable: dict[str, ClipError] = {}
        for name, branch in branches.items():
            sound = {key: piece for key, piece in missing[name].items() if key not in unusable}
            if sound:
                self._encode(name, branch, sound, store, done[name])
            unusable |= done[name].faults
        return done

    def _encode(self, name: str, branch: Branch, pieces: Mapping[str, Piece], store: FeatureStore, done: Done) -> None:
        with store.writing(branch.encoder.fingerprint, model=branch.model) as writer:
            # another process may have done some of it while this one waited
            wanted = wanted_of(branch, pieces, store)
            speech = branch.modality == "speech"
            with progress(f"encoding {name}", sum(one.piece.size for one in wanted), speech=speech) as advance:
                read = (part for one in portions(branch, wanted) for part in read_portion(branch, one, self.workers))
                for portion, inputs in read_ahead(read):
                    features = encode_portion(branch, portion, inputs)
                    for one, layers in zip(portion, features, strict=True):
                        if isinstance(layers, ClipError):
                            done.faults[one.piece.key] = layers
                        else:
                            writer.add(one.piece.key, layers, branch.view)
                            done.contents += 1
                            done.size += one.piece.size
                    advance(sum(one.piece.size for one in portion))
        done.bytes += writer.bytes_written


def wanted_of(branch: Branch, pieces: Mapping[str, Piece], store: FeatureStore) -> list[Wanted]:
    """Of these pieces by key, those of which the store lacks a layer."""
    fingerprint = branch.encoder.fingerprint
    keys = store.missing(fingerprint, pieces, branch.kept, branch.view)
    layers = (store.absent_layers(fingerprint, key, branch.kept, branch.view) for key in keys)
    return [Wanted(pieces[key], tuple(absent)) for key, absent in zip(keys, layers, strict=True)]
