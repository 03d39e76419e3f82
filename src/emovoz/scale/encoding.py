"""Extraction on Ray: what the store lacks is encoded by processes that write shards themselves."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from emovoz.corpus import Corpus
from emovoz.errors import ClipError, InputError
from emovoz.features import Extraction, FeatureStore, FrozenEncoders, extract, views_of
from emovoz.features.ahead import read_ahead
from emovoz.features.branch import Branch
from emovoz.features.disk import write_faults
from emovoz.features.encoding import Done, wanted_of
from emovoz.features.extraction import branches_of
from emovoz.features.pieces import Piece
from emovoz.features.portions import Wanted, encode_portion, portions, read_portion
from emovoz.features.shards import packed, shard_name_for, tensor_name, write_checked
from emovoz.features.store import shard_metadata
from emovoz.progress import progress
from emovoz.recipe import Recipe
from emovoz.remote import copies_meanwhile, is_url, joined, write
from emovoz.scale.cluster import Cluster, cluster
from emovoz.scale.looking import looked_at

_SHARD_BYTES = 32_000_000
_TOGETHER = 4
"""Portions of a task."""
_DECODERS = 4
"""Threads of each process that fetch and decode audio."""


def extract_on_ray(corpus: Corpus, recipe: Recipe, store: FeatureStore, *, workers: int = 2) -> Extraction:
    """Put the features of every clip, and of the views a recipe asks for, into the store, by processes of Ray.

    What is stored is what `extract` stores, under the same keys; either goes on where the other has stopped.

    Args:
        corpus: the clips; files on this machine must be readable by the same path wherever Ray works.
        recipe: names the encoders.
        store: where the features go: a folder that all can write to, or an `ObjectStore`.
        workers: processes that encode.

    Raises:
        InputError: as `extract`, or no Ray with so many processors.
    """
    with cluster(workers) as processes:
        encoders, *_ = FrozenEncoders.of_each(recipe.candidates())
        looked = looked_at(corpus, processes)
        views = views_of(recipe.augmentation)
        return extract(looked, encoders, store, views=views, engine=RayEngine(processes, recipe))


@dataclass(frozen=True)
class RayEngine:
    """Encodes by processes; see `emovoz.features.encoding.Engine`."""

    processes: Cluster
    recipe: Recipe

    def __call__(
        self, branches: Mapping[str, Branch], missing: Mapping[str, Mapping[str, Piece]], store: FeatureStore, /
    ) -> dict[str, Done]:
        """All branches at a time; the store is locked meanwhile, where it can be."""
        done = {name: Done() for name in branches}
        needed = {name: branch for name, branch in branches.items() if missing[name]}
        with ExitStack() as locks:
            # in the same order everywhere, so that two runs do not wait for each other
            fingerprints = sorted({branch.encoder.fingerprint for branch in needed.values()})
            places = {one: locks.enter_context(store.filling(one)) for one in fingerprints}
            wanted = {name: wanted_of(branch, missing[name], store) for name, branch in needed.items()}
            found = {name: list(portions(needed[name], of_branch)) for name, of_branch in wanted.items()}
            tasks = [task for name in found for task in _tasks(name, found[name], self.processes.workers)]
            total = sum(task.size for task in tasks)
            with progress("encoding", total) as advance:
                for name, of_portion in self.processes.run(Encoding(self.recipe, places), tasks):
                    done[name] = done[name].plus(of_portion)
                    advance(of_portion.size + of_portion.unusable)
        return done


@dataclass(frozen=True)
class Task:
    """What a process is given: a branch by its name, and portions, of which it reads one while it encodes another."""

    branch: str
    portions: list[list[Wanted]]

    @property
    def size(self) -> float:
        """Seconds or characters."""
        return sum(one.piece.size for portion in self.portions for one in portion)


def _tasks(branch: str, found: list[list[Wanted]], workers: int) -> Iterator[Task]:
    # few are better given one by one, so that no process is left without
    together = _TOGETHER if len(found) >= 4 * _TOGETHER * workers else 1
    for k in range(0, len(found), together):
        yield Task(branch, found[k : k + together])


@dataclass(frozen=True)
class Encoding:
    """Makes the encoders of a recipe in a process, and encodes portions with them.

    Attributes:
        recipe: names them.
        places: where the shards of each encoder go, by its fingerprint.
    """

    recipe: Recipe
    places: Mapping[str, str]

    def __call__(self) -> "PortionEncoder":
        """With the encoders loaded."""
        encoders, *_ = FrozenEncoders.of_each(self.recipe.candidates())
        return PortionEncoder(branches_of(encoders, views_of(self.recipe.augmentation)), self.places)


@dataclass(frozen=True)
class PortionEncoder:
    """Encodes portions and writes their shards."""

    branches: Mapping[str, Branch]
    places: Mapping[str, str]

    def __call__(self, task: Task) -> tuple[str, Done]:
        """The branch, and what has been done.

        A shard is named by what it holds, so that a task that is done again, because a process died before it
        could tell, replaces its shards by the same.

        Raises:
            InputError: nothing can be written, or the encoder is another than that of the process that asks.
        """
        branch = self.branches[task.branch]
        place = self.places.get(branch.encoder.fingerprint)
        if place is None:
            raise InputError(
                f"{branch.model}: a machine of the cluster has another {branch.name} encoder of this name, or another "
                "version of its libraries, than the one that started the work; make them alike"
            )
        shard = _Shard(place, shard_metadata(branch.encoder.fingerprint, branch.model))
        done = Done()
        with copies_meanwhile():
            read = (part for one in task.portions for part in read_portion(branch, one, _DECODERS))
            for portion, inputs in read_ahead(read):
                for one, layers in zip(portion, encode_portion(branch, portion, inputs), strict=True):
                    if isinstance(layers, ClipError):
                        done.faults[one.piece.key] = layers
                        done.unusable += one.piece.size
                    else:
                        shard.add(one.piece.key, branch.view, layers)
                        done.contents += 1
                        done.size += one.piece.size
                shard.write_if_full(_SHARD_BYTES)
        shard.write_if_full(1)
        done.bytes = shard.written
        return task.branch, done


@dataclass
class _Shard:
    """A shard in the making."""

    place: str
    metadata: Mapping[str, str]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    size: int = 0
    written: int = 0

    def add(self, key: str, view: str, layers: Mapping[int, Tensor]) -> None:
        for layer, values in layers.items():
            # a copy: safetensors refuses what shares memory
            kept = values.clone(memory_format=torch.contiguous_format)
            self.tensors[tensor_name(key, view, layer)] = kept
            self.size += kept.nbytes

    def write_if_full(self, enough: int) -> None:
        if self.size < enough:
            return
        name = shard_name_for(self.tensors)
        if is_url(self.place):
            write(joined(self.place, name), packed(self.tensors, self.metadata))
        else:
            with write_faults(Path(self.place), self.size):
                write_checked(Path(self.place) / name, self.tensors, self.metadata)
        self.written += self.size
        self.tensors, self.size = {}, 0
