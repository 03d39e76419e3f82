"""Portions: what of a corpus is read and encoded at a time, whichever engine does it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from emovoz.corpus import Clip
from emovoz.encoders.placement import length_batches
from emovoz.errors import ClipError
from emovoz.features.branch import Branch
from emovoz.features.encode import check_clip, read_all
from emovoz.features.pieces import Piece


@dataclass(frozen=True)
class Wanted:
    """A piece, and which of its layers the store lacks."""

    piece: Piece
    layers: tuple[int, ...]


def portions(branch: Branch, wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Clips of similar length together, and each long recording with all its pieces.

    The features of a clip may differ in their last bits by what it is encoded with; so portions go by what is to be
    encoded alone.
    """
    clips = [one for one in wanted if not one.piece.is_part]
    for batch in length_batches([math.ceil(one.piece.size) for one in clips], branch.portion):
        yield [clips[i] for i in batch]
    recordings: dict[str, list[Wanted]] = {}
    for one in wanted:
        if one.piece.is_part:
            recordings.setdefault(one.piece.clip.id, []).append(one)
    yield from recordings.values()


def read_portion(
    branch: Branch, portion: Sequence[Wanted], workers: int
) -> Iterator[tuple[Sequence[Wanted], list[Any]]]:
    """What of a portion is encoded at once, and the encoder's input for each piece, or its ClipError.

    A recording that cannot be used is found before any of its pieces is encoded.

    Args:
        branch: what reads.
        portion: one of `portions`.
        workers: threads that decode audio.
    """
    pieces = [one.piece for one in portion]
    if not pieces[0].is_part:
        yield portion, read_all(branch, pieces, workers)
        return
    error = error_of(pieces[0].clip)
    if error:
        yield portion, [error] * len(portion)
        return
    values = branch.read_in_order(pieces)
    for i, one in enumerate(portion):
        try:
            yield [one], [next(values)]
        except ClipError as late:
            yield portion[i:], [late.bare()] * len(portion[i:])
            break


def encode_portion(
    branch: Branch, portion: Sequence[Wanted], inputs: Sequence[Any]
) -> list[dict[int, Tensor] | ClipError]:
    """The layers [time, dim] that each piece lacks, by their number, or why there are none.

    Args:
        branch: what encodes.
        portion: the pieces.
        inputs: of the encoder for each, or its ClipError.
    """
    sound = [i for i, value in enumerate(inputs) if not isinstance(value, ClipError)]
    layers = sorted({layer for i in sound for layer in portion[i].layers})
    states = branch.encode([portion[i].piece for i in sound], [inputs[i] for i in sound], layers)
    features: dict[int, dict[int, Tensor] | ClipError] = {
        i: state if isinstance(state, ClipError) else {layer: state[layers.index(layer)] for layer in portion[i].layers}
        for i, state in zip(sound, states, strict=True)
    }
    return [features.get(i, value) for i, value in enumerate(inputs)]


def error_of(clip: Clip) -> ClipError | None:
    """Why a clip's audio cannot be used, None where it can."""
    try:
        check_clip(clip)
    except ClipError as error:
        return error.bare()
    return None
