"""The frozen encoders of a recipe, and clips put through them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from torch import Tensor

from emovoz.corpus import Clip, check_audio
from emovoz.corpus.modalities import lack_of, modalities_of
from emovoz.encoders import load_speech_encoder, load_text_encoder
from emovoz.errors import ClipError, InputError
from emovoz.features.batch import ClipFeatures, LongClipFeatures
from emovoz.features.branch import Branch, ngrams_branch, speech_branch, text_branch
from emovoz.features.pieces import Piece
from emovoz.features.views import View
from emovoz.memory import give_back
from emovoz.recipe import Recipe


@dataclass(frozen=True)
class FrozenEncoders:
    """The branches of a recipe, by name, and whether their features are kept in a store."""

    branches: dict[str, Branch]
    cache: bool = True

    @classmethod
    def of(cls, recipe: Recipe) -> "FrozenEncoders":
        """Load the encoders that a recipe names.

        Raises:
            InputError: one cannot be loaded, or has no such layer.
        """
        return cls.of_each([recipe])[0]

    @classmethod
    def of_each(cls, recipes: Sequence[Recipe]) -> "list[FrozenEncoders]":
        """Those of several recipes, an encoder that they share loaded once; what one keeps of it, all keep.

        So that clips that are encoded for the first recipe need not be encoded again for another choice of layers.

        Raises:
            InputError: as in `of`.
        """
        speech, text = cache(load_speech_encoder), cache(load_text_encoder)
        branches = [
            [branch for branch in (speech_branch(one, speech), text_branch(one, text), ngrams_branch(one)) if branch]
            for one in recipes
        ]
        for recipe, own in zip(recipes, branches, strict=True):
            _check_kept(recipe, own)
        kept: dict[tuple[str, str], tuple[int, ...]] = {}
        for branch in (branch for own in branches for branch in own):
            known = kept.get(branch.key, ())
            kept[branch.key] = (*known, *(layer for layer in branch.kept if layer not in known))
        return [
            cls({branch.name: replace(branch, kept=kept[branch.key]) for branch in own}, recipe.features.cache)
            for recipe, own in zip(recipes, branches, strict=True)
        ]

    @property
    def kept_branches(self) -> dict[str, Branch]:
        """The branches whose features the store holds."""
        return {name: branch for name, branch in self.branches.items() if branch.kept}

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """(layers, dim) of each branch's features."""
        return {name: branch.shape for name, branch in self.branches.items()}

    @property
    def frame_rate(self) -> float | None:
        """Frames a second of the speech features, Hz; None without speech."""
        return self.branches["speech"].frame_rate if "speech" in self.branches else None

    def altered(self, view: View) -> "FrozenEncoders":
        """The same encoders, hearing a view of each clip; its words are those of the clip."""
        return replace(self, branches={**self.branches, "speech": self.branches["speech"].altered(view)})

    def modalities(self, clip: Clip) -> tuple[str, ...]:
        """What these encoders can use of a clip: `speech`, `text` or both.

        An empty transcription counts as words only where there is nothing else to go by.
        """
        return modalities_of(clip, self._wanted)

    def lack(self, clip: Clip) -> ClipError | None:
        """Why these encoders can use nothing of a clip, None where they can use something."""
        return lack_of(clip, self._wanted)

    @property
    def _wanted(self) -> list[str]:
        return [branch.modality for branch in self.branches.values()]

    def pieces(self, clip: Clip) -> dict[str, list[Piece]]:
        """The pieces of a clip by branch.

        Raises:
            ClipError: the clip cannot be read, or has nothing that these encoders could use.
        """
        lack = self.lack(clip)
        if lack:
            raise lack
        there = self.modalities(clip)
        return {name: branch.pieces(clip) for name, branch in self.branches.items() if branch.modality in there}


def _check_kept(recipe: Recipe, branches: Sequence[Branch]) -> None:
    more = [] if isinstance(recipe.features.layers, str) else recipe.features.layers
    strange = [layer for layer in more if all(layer >= branch.encoder.layers for branch in branches)]
    if strange:
        states = ", ".join(f"{branch.model} has {branch.encoder.layers}" for branch in branches)
        raise InputError(f"features.layers: no encoder has the hidden states {strange}; {states}, counted from 0")


def clip_features(
    pieces: dict[str, list[Piece]], tensors_of: Callable[[str, list[Piece]], Iterator[Tensor]]
) -> ClipFeatures:
    """Features of a clip from its pieces, whatever gives the tensors [layer, time, dim] of those of a branch."""
    count = max(map(len, pieces.values()))

    def in_order() -> Iterator[ClipFeatures]:
        tensors = {name: tensors_of(name, of) for name, of in pieces.items()}
        for k in range(count):
            yield ClipFeatures({name: next(tensors[name]) for name, of in pieces.items() if k < len(of)})

    return next(in_order()) if count == 1 else LongClipFeatures(in_order)


def encode_clips(clips: Sequence[Clip], encoders: FrozenEncoders) -> Iterator[ClipFeatures | ClipError]:
    """Features of each clip in turn, as the store would have them; in the place of a clip that has none, the reason.

    The clips are encoded together; their features do not depend on each other. A long recording is gone through once
    to see that it can be used; its pieces are encoded when they are asked for.
    """
    found: dict[int, ClipFeatures | ClipError] = {}
    short: dict[int, dict[str, list[Piece]]] = {}
    for i, clip in enumerate(clips):
        try:
            pieces = encoders.pieces(clip)
            if max(map(len, pieces.values())) == 1:
                short[i] = pieces
            else:
                check_clip(clip)
                found[i] = clip_features(pieces, lambda name, of: _encoded_in_order(encoders.branches[name], of))
        except ClipError as error:
            found[i] = error.bare()
    features: dict[int, dict[str, Tensor]] = {i: {} for i in short}
    for name, branch in encoders.branches.items():
        whole = {i: pieces[name][0] for i, pieces in short.items() if name in pieces and i not in found}
        inputs = dict(zip(whole, read_all(branch, list(whole.values())), strict=True))
        found |= {i: value for i, value in inputs.items() if isinstance(value, ClipError)}
        sound = [i for i in whole if i not in found]
        states = branch.encode([whole[i] for i in sound], [inputs[i] for i in sound], branch.layers)
        for i, state in zip(sound, states, strict=True):
            if isinstance(state, ClipError):
                found[i] = state
            else:
                features[i][name] = state
    for i in range(len(clips)):
        yield found[i] if i in found else ClipFeatures(features[i])


def check_clip(clip: Clip) -> None:
    """Go through the audio of a clip once, in little memory; raise ClipError where it cannot be used."""
    assert clip.audio is not None
    check_audio(clip.audio, start=clip.start, end=clip.end)


def read_all(branch: Branch, pieces: Sequence[Piece], workers: int = 2) -> list[Any]:
    """The encoder's input for each piece, in order; in the place of one that cannot be used, its ClipError."""

    def read(piece: Piece) -> Any:
        try:
            return branch.read(piece)
        except ClipError as error:
            return error.bare()

    with ThreadPoolExecutor(max(1, workers)) as pool:
        return list(pool.map(read, pieces))


def _encoded_in_order(branch: Branch, pieces: list[Piece]) -> Iterator[Tensor]:
    for piece, value in zip(pieces, branch.read_in_order(pieces), strict=True):
        yield branch.encode_one(piece, value)
        give_back()
