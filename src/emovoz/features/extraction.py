"""Encoding a corpus into the feature store; what is already there is not done again."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from emovoz.corpus import Clip, Corpus
from emovoz.encoders.placement import length_batches
from emovoz.errors import ClipError, InputError
from emovoz.features.encode import Branch, FrozenEncoders, read_all
from emovoz.features.store import FeatureStore, stored_layer
from emovoz.progress import progress, say


@dataclass(frozen=True)
class Extraction:
    """What an extraction did.

    Attributes:
        clips: in the corpus.
        audio_seconds: length of their audio that had to be encoded.
        encoded: contents encoded, by modality; equal contents count once.
        stored_bytes: added to the store.
        seconds: time it took.
    """

    clips: int
    audio_seconds: float
    encoded: dict[str, int]
    stored_bytes: int
    seconds: float

    @property
    def times_real_time(self) -> float:
        """Seconds of audio encoded in a second."""
        return self.audio_seconds / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {**asdict(self), "times_real_time": self.times_real_time}


def extract(corpus: Corpus, encoders: FrozenEncoders, store: FeatureStore, *, workers: int = 2) -> Extraction:
    """Put the features of every clip into the store.

    A killed run loses at most the shard in the making; the next one goes on from there.

    Args:
        corpus: the clips.
        encoders: what encodes them.
        store: where the features go.
        workers: threads that decode audio.

    Raises:
        InputError: every clip that cannot be used; the features of the others are in the store.
    """
    started = time.perf_counter()
    _say_what_is_lacking(corpus, encoders)
    done = [_Done() for _ in encoders.branches]
    faults = {clip.id: lack for clip in corpus if (lack := encoders.lack(clip))}
    for branch, of_branch in zip(encoders.branches.values(), done, strict=True):
        clips = _by_key(branch, corpus, encoders, faults)
        _encode_missing(branch, {key: same[0] for key, same in clips.items()}, store, workers, of_branch)
        faults |= {clip.id: error for key, error in of_branch.faults.items() for clip in clips[key]}
    if faults:
        raise InputError(f"{clip.describe()}: {faults[clip.id]}" for clip in corpus if clip.id in faults)
    return Extraction(
        clips=len(corpus),
        audio_seconds=next(
            (of.size for name, of in zip(encoders.branches, done, strict=True) if name == "speech"), 0.0
        ),
        encoded={name: of_branch.contents for name, of_branch in zip(encoders.branches, done, strict=True)},
        stored_bytes=sum(of_branch.bytes for of_branch in done),
        seconds=time.perf_counter() - started,
    )


def _say_what_is_lacking(corpus: Corpus, encoders: FrozenEncoders) -> None:
    used = Counter(name for clip in corpus for name in encoders.modalities(clip))
    for name, what in (("speech", "audio (give its folder with --audio-dir)"), ("text", "words")):
        lacking = len(corpus) - used[name]
        if name in encoders.branches and lacking and len(encoders.branches) > 1:
            say(f"{lacking} of {len(corpus)} clips have no {what}; they are judged without")


@dataclass
class _Done:
    """What has been done for one branch so far."""

    contents: int = 0
    size: float = 0.0
    bytes: int = 0
    faults: dict[str, ClipError] = field(default_factory=dict)


def _by_key(
    branch: Branch, corpus: Corpus, encoders: FrozenEncoders, faults: dict[str, ClipError]
) -> dict[str, list[Clip]]:
    """The clips of each content; one whose file cannot be read joins the faults."""
    clips: dict[str, list[Clip]] = {}
    for clip in corpus:
        if branch.modality in encoders.modalities(clip):
            try:
                clips.setdefault(branch.key(clip), []).append(clip)
            except ClipError as error:
                faults[clip.id] = error
    return clips


def _encode_missing(branch: Branch, by_key: dict[str, Clip], store: FeatureStore, workers: int, done: _Done) -> None:
    fingerprint, layers = branch.encoder.fingerprint, branch.layers
    if not store.missing(fingerprint, by_key, layers):
        return
    with store.writing(fingerprint, model=branch.model) as writer:
        keys = store.missing(fingerprint, by_key, layers)
        sizes = _sizes(branch, by_key, keys, done)
        with progress(
            f"encoding {branch.modality}", sum(sizes.values()), speech=branch.modality == "speech"
        ) as advance:
            for portion, inputs in _read_ahead(branch, by_key, sizes, workers):
                for key, value in zip(portion, inputs, strict=True):
                    if isinstance(value, ClipError):
                        done.faults[key] = value
                sound = {k: v for k, v in zip(portion, inputs, strict=True) if not isinstance(v, ClipError)}
                absent = {key: store.absent_layers(fingerprint, key, layers) for key in sound}
                wanted = sorted({layer for of_clip in absent.values() for layer in of_clip})
                encoded = branch.encoder.encode_each(list(sound.values()), wanted) if sound else []
                for key, states in zip(sound, encoded, strict=True):
                    writer.add(key, {i: stored_layer(states[wanted.index(i)]) for i in absent[key]})
                done.contents += len(sound)
                done.size += sum(sizes[key] for key in sound)
                advance(sum(sizes[key] for key in portion))
    done.bytes += writer.bytes_written


def _sizes(branch: Branch, by_key: dict[str, Clip], keys: Sequence[str], done: _Done) -> dict[str, float]:
    sizes = {}
    for key in keys:
        try:
            sizes[key] = branch.size(by_key[key])
        except ClipError as error:
            done.faults[key] = error
    return sizes


def _read_ahead(
    branch: Branch, by_key: dict[str, Clip], sizes: dict[str, float], workers: int
) -> Iterator[tuple[list[str], list[Any]]]:
    """Portions of similar length with their inputs; the next is read while one is in use."""
    keys = list(sizes)
    batches = length_batches([math.ceil(sizes[key]) for key in keys], branch.portion)
    portions = [[keys[i] for i in batch] for batch in batches]
    with ThreadPoolExecutor(1) as ahead:
        reading = [
            ahead.submit(read_all, branch, [by_key[key] for key in portion], workers) for portion in portions[:1]
        ]
        for i, portion in enumerate(portions):
            inputs = reading.pop().result()
            for following in portions[i + 1 : i + 2]:
                reading.append(ahead.submit(read_all, branch, [by_key[key] for key in following], workers))
            yield portion, inputs
