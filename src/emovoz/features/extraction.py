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
from emovoz.features.ahead import read_ahead
from emovoz.features.branch import Branch
from emovoz.features.encode import FrozenEncoders, check_clip, read_all
from emovoz.features.pieces import Piece
from emovoz.features.store import FeatureStore
from emovoz.features.views import View
from emovoz.progress import progress, say


@dataclass(frozen=True)
class Extraction:
    """What an extraction did.

    Attributes:
        clips: in the corpus.
        audio_seconds: length of the audio that had to be encoded, of clips and views.
        encoded: contents encoded, by branch; equal contents count once, a long recording counts by its pieces.
            Their altered copies are counted as `views`.
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


def extract(
    corpus: Corpus,
    encoders: FrozenEncoders,
    store: FeatureStore,
    *,
    views: Sequence[View] = (),
    workers: int = 2,
) -> Extraction:
    """Put the features of every clip, and of every view of it, into the store.

    A killed run loses at most the shard in the making; the next one goes on from there.

    Args:
        corpus: the clips.
        encoders: what encodes them.
        store: where the features go.
        views: altered copies that are encoded too (see `views_of`).
        workers: threads that decode audio.

    Raises:
        InputError: every clip that cannot be used (the features of the others are in the store), or a store without
            room for what is to come (nothing is encoded), or encoders whose features are not to be kept.
    """
    if not encoders.cache:
        raise InputError("features.cache is false, so there is nothing to extract; leave it out to fill a store")
    started = time.perf_counter()
    _say_what_is_lacking(corpus, encoders)
    pieces, faults = pieces_of_corpus(corpus, encoders)
    branches = encoders.kept_branches
    if views:
        heard = _what_has_views(pieces["speech"])
        named = {f"view {view.number + 1} of {len(views)}": view for view in views}
        branches |= {name: encoders.branches["speech"].altered(view) for name, view in named.items()}
        pieces |= {name: _sized(heard, view) for name, view in named.items()}
    missing = {name: _missing(branch, pieces[name], store) for name, branch in branches.items()}
    frames = {
        name: {key: branch.frames(piece) for key, piece in missing[name].items()} for name, branch in branches.items()
    }
    _say_what_is_cut(branches, missing, frames)
    _say_what_it_will_take(branches, frames, store)
    done = {name: _Done() for name in branches}
    unusable: dict[str, ClipError] = {}
    for name, branch in branches.items():
        done[name].faults |= _unusable_recordings(missing[name])
        # what cannot be used is not read again for each of its views
        sound = {key: piece for key, piece in missing[name].items() if key not in done[name].faults | unusable}
        _encode_missing(branch, name, sound, store, workers, done[name])
        unusable |= done[name].faults
        faults |= {
            piece.clip.id: done[name].faults[key]
            for key, same in pieces[name].items()
            for piece in same
            if key in done[name].faults
        }
    _raise_all(corpus, faults)
    return Extraction(
        clips=len(corpus),
        audio_seconds=sum(of_branch.size for name, of_branch in done.items() if branches[name].modality == "speech"),
        encoded=_counts({name: of_branch.contents for name, of_branch in done.items()}),
        stored_bytes=sum(of_branch.bytes for of_branch in done.values()),
        seconds=time.perf_counter() - started,
    )


def check(corpus: Corpus, encoders: FrozenEncoders, *, workers: int = 2) -> Extraction:
    """Go through every clip once without encoding any, for those who encode later and keep nothing.

    Raises:
        InputError: every clip that cannot be used.
    """
    started = time.perf_counter()
    _say_what_is_lacking(corpus, encoders)
    _, faults = pieces_of_corpus(corpus, encoders)
    heard = [clip for clip in corpus if clip.id not in faults and "speech" in encoders.modalities(clip)]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for clip, error in zip(heard, pool.map(_error_of, heard), strict=True):
            faults |= {clip.id: error} if error else {}
    _raise_all(corpus, faults)
    return Extraction(len(corpus), 0.0, dict.fromkeys(encoders.kept_branches, 0), 0, time.perf_counter() - started)


def pieces_of_corpus(
    corpus: Corpus, encoders: FrozenEncoders
) -> tuple[dict[str, dict[str, list[Piece]]], dict[str, ClipError]]:
    """The pieces of each content by branch and key, and why a clip (by id) cannot be used."""
    pieces: dict[str, dict[str, list[Piece]]] = {name: {} for name in encoders.branches}
    faults: dict[str, ClipError] = {}
    for clip in corpus:
        try:
            for name, of_clip in encoders.pieces(clip).items():
                for piece in of_clip:
                    pieces[name].setdefault(piece.key, []).append(piece)
        except ClipError as error:
            faults[clip.id] = error
    _say_what_contradicts(pieces.get("speech", {}))
    return pieces, faults


def _say_what_is_lacking(corpus: Corpus, encoders: FrozenEncoders) -> None:
    used = Counter(name for clip in corpus for name in encoders.modalities(clip))
    asked = {branch.modality for branch in encoders.branches.values()}
    for name, what in (("speech", "audio (give its folder with --audio-dir)"), ("text", "words")):
        lacking = len(corpus) - used[name]
        if name in asked and lacking and len(asked) > 1:
            say(f"{lacking} of {len(corpus)} clips have no {what}; they are judged without")


def _say_what_contradicts(pieces: dict[str, list[Piece]]) -> None:
    """Tell of clips that hold the same sound and are labelled differently."""
    labels = (
        tuple((one.clip.describe(), one.clip.label) for one in same if one.clip.label) for same in pieces.values()
    )
    for same in dict.fromkeys(labels):
        if len({label for _, label in same}) > 1:
            say(f"the same audio under different labels: {', '.join(f'{name} ({label})' for name, label in same)}")


def _what_has_views(pieces: dict[str, list[Piece]]) -> dict[str, list[Piece]]:
    """All but the pieces of long recordings."""
    long = {piece.clip.id for same in pieces.values() for piece in same if piece.is_part}
    if long:
        say(f"long recordings have no views ({len(long)} here); they are shown as they are")
    return {key: same for key, same in pieces.items() if not same[0].is_part}


def _sized(pieces: dict[str, list[Piece]], view: View) -> dict[str, list[Piece]]:
    return {key: [view.sized(piece) for piece in same] for key, same in pieces.items()}


def _counts(of_branches: dict[str, int]) -> dict[str, int]:
    """The same counts, those of all views as one."""
    counts = {name: count for name, count in of_branches.items() if name in ("speech", "text")}
    return counts if counts == of_branches else {**counts, "views": sum(of_branches.values()) - sum(counts.values())}


def _missing(branch: Branch, pieces: dict[str, list[Piece]], store: FeatureStore) -> dict[str, Piece]:
    keys = store.missing(branch.encoder.fingerprint, pieces, branch.kept, branch.view)
    return {key: pieces[key][0] for key in keys}


def _say_what_it_will_take(branches: dict[str, Branch], frames: dict[str, dict[str, int]], store: FeatureStore) -> None:
    """Tell the size of what is to be stored before it is made, and stop where there is no room for it."""
    size = sum(
        branch.bytes_of(count, len(store.absent_layers(branch.encoder.fingerprint, key, branch.kept, branch.view)))
        for name, branch in branches.items()
        for key, count in frames[name].items()
    )
    if size:
        counts = _counts({name: len(of_branch) for name, of_branch in frames.items()})
        what = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        say(f"to encode: {what}; about {size / 1e6:.1f} MB for {store.root}, {store.free_bytes() / 1e9:.1f} GB free")
        store.check_room(size)


def _say_what_is_cut(
    branches: dict[str, Branch], missing: dict[str, dict[str, Piece]], frames: dict[str, dict[str, int]]
) -> None:
    for name, branch in branches.items():
        full = [piece for key, piece in missing[name].items() if frames[name][key] == branch.most_frames]
        if full:
            what = f"the {branch.most_frames} tokens that {branch.model} takes; what is beyond is not read"
            say(f"{len(full)} of {len(missing[name])} new texts fill {what} (such as {full[0].clip.describe()})")


def _unusable_recordings(missing: dict[str, Piece]) -> dict[str, ClipError]:
    """Why pieces of long recordings cannot be used, by key: told before any of them is encoded."""
    clips = {piece.clip.id: piece.clip for piece in missing.values() if piece.is_part}
    found = {name: _error_of(clip) for name, clip in clips.items()}
    errors = {key: found.get(piece.clip.id) for key, piece in missing.items()}
    return {key: error for key, error in errors.items() if error}


@dataclass
class _Done:
    """What has been done for one branch so far."""

    contents: int = 0
    size: float = 0.0
    bytes: int = 0
    faults: dict[str, ClipError] = field(default_factory=dict)


def _encode_missing(
    branch: Branch, name: str, pieces: dict[str, Piece], store: FeatureStore, workers: int, done: _Done
) -> None:
    fingerprint = branch.encoder.fingerprint
    if not pieces:
        return
    with store.writing(fingerprint, model=branch.model) as writer:
        # another process may have done some of it while this one waited
        keys = store.missing(fingerprint, pieces, branch.kept, branch.view)
        sizes = {key: pieces[key].size for key in keys}
        speech = branch.modality == "speech"
        with progress(f"encoding {name}", sum(sizes.values()), speech=speech) as advance:
            for portion, inputs in read_ahead(_read(branch, [pieces[key] for key in keys], workers)):
                sound = []
                for piece, value in zip(portion, inputs, strict=True):
                    if isinstance(value, ClipError):
                        done.faults[piece.key] = value
                    else:
                        sound.append((piece, value))
                absent = {
                    piece.key: store.absent_layers(fingerprint, piece.key, branch.kept, branch.view)
                    for piece, _ in sound
                }
                wanted = sorted({layer for layers in absent.values() for layer in layers})
                states = branch.encode([piece for piece, _ in sound], [value for _, value in sound], wanted)
                for (piece, _), state in zip(sound, states, strict=True):
                    if isinstance(state, ClipError):
                        done.faults[piece.key] = state
                        continue
                    layers = {i: state[wanted.index(i)] for i in absent[piece.key]}
                    writer.add(piece.key, layers, branch.view)
                    done.size += piece.size
                    done.contents += 1
                advance(sum(piece.size for piece in portion))
    done.bytes += writer.bytes_written


def _read(branch: Branch, pieces: Sequence[Piece], workers: int) -> Iterator[tuple[list[Piece], list[Any]]]:
    """Portions with their inputs: clips of similar length together, then each long recording piece by piece."""
    clips = [piece for piece in pieces if not piece.is_part]
    for batch in length_batches([math.ceil(piece.size) for piece in clips], branch.portion):
        portion = [clips[i] for i in batch]
        yield portion, read_all(branch, portion, workers)
    recordings: dict[str, list[Piece]] = {}
    for piece in pieces:
        if piece.is_part:
            recordings.setdefault(piece.clip.id, []).append(piece)
    for parts in recordings.values():
        values = branch.read_in_order(parts)
        for i, piece in enumerate(parts):
            try:
                yield [piece], [next(values)]
            except ClipError as error:
                yield parts[i:], [error] * len(parts[i:])
                break


def _error_of(clip: Clip) -> ClipError | None:
    try:
        check_clip(clip)
    except ClipError as error:
        return error
    return None


def _raise_all(corpus: Corpus, faults: dict[str, ClipError]) -> None:
    if faults:
        raise InputError(f"{clip.describe()}: {faults[clip.id]}" for clip in corpus if clip.id in faults)
