"""Encoding a corpus into the feature store; what is already there is not done again."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from emovoz.corpus import Corpus
from emovoz.errors import ClipError, InputError
from emovoz.features.branch import Branch
from emovoz.features.encode import FrozenEncoders
from emovoz.features.encoding import Engine, LocalEngine
from emovoz.features.pieces import Piece
from emovoz.features.portions import error_of
from emovoz.features.store import FeatureStore
from emovoz.features.views import View
from emovoz.progress import say
from emovoz.remote import RemoteFile, fetch_all


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
    engine: Engine | None = None,
) -> Extraction:
    """Put the features of every clip, and of every view of it, into the store.

    A killed run loses at most the shard in the making; the next one goes on from there.

    Args:
        corpus: the clips.
        encoders: what encodes them.
        store: where the features go.
        views: altered copies that are encoded too (see `views_of`).
        workers: threads that decode audio.
        engine: what encodes, by default this process.

    Raises:
        InputError: every clip that cannot be used (the features of the others are in the store), or a store without
            room for what is to come (nothing is encoded), or encoders whose features are not to be kept.
    """
    if not encoders.cache:
        raise InputError("features.cache is false, so there is nothing to extract; leave it out to fill a store")
    started = time.perf_counter()
    _say_what_is_lacking(corpus, encoders)
    _fetch_ahead(corpus)
    pieces, faults = pieces_of_corpus(corpus, encoders)
    branches = branches_of(encoders, views)
    if views:
        heard = _what_has_views(pieces["speech"])
        pieces |= {_name_of(view, views): _sized(heard, view) for view in views}
    missing = {name: _missing(branch, pieces[name], store) for name, branch in branches.items()}
    frames = {
        name: {key: branch.frames(piece) for key, piece in missing[name].items()} for name, branch in branches.items()
    }
    _say_what_is_cut(branches, missing, frames)
    _say_what_it_will_take(branches, frames, store)
    done = (engine or LocalEngine(workers))(branches, missing, store)
    faults |= {
        piece.clip.id: done[name].faults[key]
        for name in branches
        for key, same in pieces[name].items()
        if key in done[name].faults
        for piece in same
    }
    _raise_all(corpus, faults)
    return Extraction(
        clips=len(corpus),
        audio_seconds=sum(of_branch.size for name, of_branch in done.items() if branches[name].modality == "speech"),
        encoded=_counts({name: of_branch.contents for name, of_branch in done.items()}),
        stored_bytes=sum(of_branch.bytes for of_branch in done.values()),
        seconds=time.perf_counter() - started,
    )


def branches_of(encoders: FrozenEncoders, views: Sequence[View]) -> dict[str, Branch]:
    """What is encoded of clips, by name: each branch whose features are kept, and the speech of each view."""
    altered = {_name_of(view, views): encoders.branches["speech"].altered(view) for view in views}
    return encoders.kept_branches | altered


def _name_of(view: View, views: Sequence[View]) -> str:
    return f"view {view.number + 1} of {len(views)}"


def check(corpus: Corpus, encoders: FrozenEncoders, *, workers: int = 2) -> Extraction:
    """Go through every clip once without encoding any, for those who encode later and keep nothing.

    Raises:
        InputError: every clip that cannot be used.
    """
    started = time.perf_counter()
    _say_what_is_lacking(corpus, encoders)
    _fetch_ahead(corpus)
    _, faults = pieces_of_corpus(corpus, encoders)
    heard = [clip for clip in corpus if clip.id not in faults and "speech" in encoders.modalities(clip)]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for clip, error in zip(heard, pool.map(error_of, heard), strict=True):
            faults |= {clip.id: error} if error else {}
    _raise_all(corpus, faults)
    return Extraction(len(corpus), 0.0, dict.fromkeys(encoders.kept_branches, 0), 0, time.perf_counter() - started)


def _fetch_ahead(corpus: Corpus) -> None:
    """Fetch remote audio together rather than one by one; not where what need be known of it is known."""
    remote = [clip.audio for clip in corpus if isinstance(clip.audio, RemoteFile)]
    fetch_all(dict.fromkeys(file for file in remote if file.header is None and file.fault is None))


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
            faults[clip.id] = error.bare()
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
        say(f"to encode: {what}; about {size / 1e6:.1f} MB for {store.described_room()}")
        store.check_room(size)


def _say_what_is_cut(
    branches: dict[str, Branch], missing: dict[str, dict[str, Piece]], frames: dict[str, dict[str, int]]
) -> None:
    for name, branch in branches.items():
        full = [piece for key, piece in missing[name].items() if frames[name][key] == branch.most_frames]
        if full:
            what = f"the {branch.most_frames} tokens that {branch.model} takes; what is beyond is not read"
            say(f"{len(full)} of {len(missing[name])} new texts fill {what} (such as {full[0].clip.describe()})")


def _raise_all(corpus: Corpus, faults: dict[str, ClipError]) -> None:
    if faults:
        raise InputError(f"{clip.describe()}: {faults[clip.id]}" for clip in corpus if clip.id in faults)
