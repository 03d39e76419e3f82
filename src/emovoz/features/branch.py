"""One branch of a recipe: its encoder, and how a clip becomes features."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from emovoz.corpus import Clip, load_audio, load_parts
from emovoz.encoders import SpeechEncoder, TextEncoder
from emovoz.encoders.ngrams import TermFrequencies
from emovoz.encoders.placement import length_batches
from emovoz.encoders.sources import locate
from emovoz.encoders.tuned import check_tunable
from emovoz.errors import ClipError, InputError
from emovoz.features.pieces import Piece, speech_pieces, text_pieces
from emovoz.features.store import CLEAN, stored
from emovoz.features.views import View
from emovoz.recipe import Recipe
from emovoz.settings import Features, Layers, Lora, Speech, Text, layer_numbers

PORTION_BYTES = 200_000_000
"""Of hidden states in memory at a time."""


class Encoder(Protocol):
    """What speech and text encoders have in common."""

    dim: int
    layers: int
    fingerprint: str

    @property
    def kindred(self) -> Mapping[str, str]:
        """Fingerprints of the same encoder by the precision that it multiplies in; none where there is one only."""

    def encode_each(self, inputs: Sequence[Any], layers: Sequence[int] | None = None, /) -> list[Tensor]:
        """Hidden states [layer, time, dim] of each input."""


@dataclass(frozen=True)
class Branch:
    """One way of hearing or reading a clip: its encoder, the hidden states used, and how a clip becomes features.

    Attributes:
        name: `speech`, `text` or `ngrams`, as the recipe's section.
        modality: what of a clip it goes by, `speech` or `text`.
        model: what the recipe calls the encoder.
        source: where the encoder comes from.
        layers: hidden states the encoder gives to the head.
        mixed: hidden states the head mixes: the same, but where the encoder is tuned those above are made by the head.
        kept: those that the store is to hold, `layers` among them; none where features are made whenever they are asked
            for, because making them is as fast as reading them.
        stride: frames averaged into one.
        precision: of the features, `float16` or `float32`.
        pieces: what of a clip is encoded at once; raises ClipError where it cannot be read.
        read: the encoder's input for a piece; raises ClipError where it has none that can be used.
        read_in_order: the same for the pieces of one long recording, in one pass through it.
        frames: how many frames a piece will have.
        most_frames: of a piece that the encoder takes, which cuts off what is beyond; None where it takes all.
        lora: adapters that are tuned above the highest of `layers`; none where the encoder stays as it is.
        largest: portion that is read and encoded at a time, in seconds or characters.
        size_bytes: of a layer of a second, or of a character at most.
        frame_rate: of its features, Hz; None where they are no stretch of time.
        copy: what of a clip is encoded: the clip as it is, or a view by its name.
    """

    name: str
    modality: str
    model: str
    source: str
    encoder: Encoder
    layers: tuple[int, ...]
    mixed: tuple[int, ...]
    kept: tuple[int, ...]
    stride: int
    precision: str
    pieces: Callable[[Clip], list[Piece]]
    read: Callable[[Piece], Any]
    read_in_order: Callable[[Sequence[Piece]], Iterator[Any]]
    frames: Callable[[Piece], int]
    largest: int
    size_bytes: float
    frame_rate: float | None = None
    most_frames: int | None = None
    copy: str = CLEAN
    lora: Lora | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Where the store has its features: fingerprint of the encoder, and view."""
        return self.encoder.fingerprint, self.view

    @property
    def portion(self) -> int:
        """How much is read and encoded at a time, in seconds or characters."""
        return min(self.largest, math.ceil(PORTION_BYTES / (self.size_bytes * max(1, len(self.kept)))))

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, dim) of the states that the head mixes."""
        return len(self.mixed), self.encoder.dim

    @property
    def view(self) -> str:
        """What the store calls features of this copy, stride and precision."""
        return self._view(self.copy)

    def view_of(self, piece: Piece) -> str:
        """What the store calls the features of a piece; long recordings have no altered copies."""
        return self._view(CLEAN if piece.is_part else self.copy)

    def altered(self, view: View) -> "Branch":
        """The same branch hearing a view of each clip; long recordings it hears as they are."""
        encoder = self.encoder
        assert isinstance(encoder, SpeechEncoder)
        return replace(
            self,
            pieces=lambda clip: [view.sized(piece) for piece in self.pieces(clip)],
            read=lambda piece: view.of(self.read(piece), encoder.sample_rate, piece.key),
            copy=view.name,
        )

    def _view(self, copy: str) -> str:
        stride = f"-mean{self.stride}" if self.stride > 1 else ""
        return f"{copy}{stride}{'' if self.precision == 'float16' else f'-{self.precision}'}"

    def encode(
        self, pieces: Sequence[Piece], inputs: Sequence[Any], layers: Sequence[int]
    ) -> "list[Tensor | ClipError]":
        """Features [layer, time, dim] of each piece, as the store has them; where they are not finite, an error."""
        features: dict[int, Tensor | ClipError] = {}
        for some in length_batches([math.ceil(piece.size) for piece in pieces], self.portion):
            states = self.encoder.encode_each([inputs[i] for i in some], layers)
            for i, state in zip(some, states, strict=True):
                own = state[:, pieces[i].first : pieces[i].last]
                features[i] = (
                    stored(mean_of(own, self.stride), self.precision).cpu()
                    if bool(own.isfinite().all())
                    else ClipError(f"{self.model} gives values for it that are not finite; are its weights sound?")
                )
        return [features[i] for i in range(len(pieces))]

    def encode_one(self, piece: Piece, value: Any) -> Tensor:
        """Features [layer, time, dim] of a piece by its input; raises ClipError where they are not finite."""
        (found,) = self.encode([piece], [value], self.layers)
        if isinstance(found, ClipError):
            raise found
        return found

    def bytes_of(self, frames: int, layers: int) -> int:
        """What so many layers of so many frames will take in the store."""
        return frames * layers * self.encoder.dim * (2 if self.precision == "float16" else 4)


def speech_branch(recipe: Recipe, load: Callable[[str], SpeechEncoder]) -> Branch | None:
    """How a recipe hears a clip by an encoder that is loaded so; None where it does not."""
    if recipe.speech is None:
        return None
    encoder = load(recipe.speech.model)
    mixed = _chosen(recipe.speech.layers, encoder, "speech", recipe.speech.model)
    layers = _given(mixed, encoder, "speech", recipe.speech)
    kept = _kept(layers, encoder, recipe.features)
    stride = recipe.features.stride

    def read(piece: Piece) -> Any:
        assert piece.clip.audio is not None
        return load_audio(piece.clip.audio, encoder.sample_rate, start=piece.start, end=piece.end)

    def read_in_order(pieces: Sequence[Piece]) -> Iterator[Any]:
        audio = pieces[0].clip.audio
        assert audio is not None
        return load_parts(audio, encoder.sample_rate, [(piece.start, piece.end) for piece in pieces])

    return Branch(
        name="speech",
        modality="speech",
        model=recipe.speech.model,
        source=str(locate(recipe.speech.model)),
        encoder=encoder,
        layers=layers,
        mixed=mixed,
        kept=kept,
        stride=stride,
        precision="float32" if encoder.precision == "float32" else recipe.features.precision,
        pieces=lambda clip: speech_pieces(clip, encoder, stride),
        read=read,
        read_in_order=read_in_order,
        frames=lambda piece: math.ceil(piece.size * encoder.frame_rate / stride),
        largest=240,
        size_bytes=encoder.frame_rate * encoder.dim * 4,
        frame_rate=encoder.frame_rate / stride,
        lora=recipe.speech.lora,
    )


def text_branch(recipe: Recipe, load: Callable[..., TextEncoder]) -> Branch | None:
    """How a recipe reads a clip by an encoder that is loaded so; None where it does not."""
    if recipe.text is None:
        return None
    encoder = load(recipe.text.model, prefix=recipe.text.prefix)
    mixed = _chosen(recipe.text.layers, encoder, "text", recipe.text.model)
    layers = _given(mixed, encoder, "text", recipe.text)
    kept = _kept(layers, encoder, recipe.features)

    return Branch(
        name="text",
        modality="text",
        model=recipe.text.model,
        source=str(locate(recipe.text.model)),
        encoder=encoder,
        layers=layers,
        mixed=mixed,
        kept=kept,
        stride=1,
        precision=recipe.features.precision,
        pieces=text_pieces,
        read=_words,
        read_in_order=lambda pieces: map(_words, pieces),
        frames=lambda piece: len(encoder.tokens([_words(piece)])[0]),
        largest=40_000,
        size_bytes=encoder.dim * 4,
        most_frames=encoder.longest,
        lora=recipe.text.lora,
    )


def ngrams_branch(recipe: Recipe) -> Branch | None:
    """How a recipe counts the n-grams of a clip's words; None where it does not."""
    if recipe.ngrams is None:
        return None
    encoder = TermFrequencies(recipe.ngrams)
    return Branch(
        name="ngrams",
        modality="text",
        model="ngrams",
        source="built-in",
        encoder=encoder,
        layers=(0,),
        mixed=(0,),
        kept=(),
        stride=1,
        precision="float32",
        pieces=text_pieces,
        read=_words,
        read_in_order=lambda pieces: map(_words, pieces),
        frames=lambda piece: 1,
        largest=40_000,
        # a text takes as much however long it is, so a character at most this
        size_bytes=encoder.dim * 4.0,
    )


def _words(piece: Piece) -> str:
    return piece.clip.transcription or ""


def mean_of(states: Tensor, stride: int) -> Tensor:
    """[layer, time, dim] -> [layer, ceil(time / stride), dim]: means of so many frames, the last of what is left.

    >>> mean_of(torch.arange(5.0)[None, :, None], 2).flatten().tolist()
    [0.5, 2.5, 4.0]
    """
    if stride == 1:
        return states
    whole = states.shape[1] // stride * stride
    means = [states[:, :whole].unflatten(1, (-1, stride)).mean(2)] if whole else []
    rest = [states[:, whole:].mean(1, keepdim=True)] if whole < states.shape[1] else []
    return torch.cat([*means, *rest], dim=1)


def _chosen(layers: Layers, encoder: Encoder, section: str, model: str) -> tuple[int, ...]:
    chosen = layer_numbers(layers, encoder.layers)
    if not chosen or max(chosen) >= encoder.layers or len(set(chosen)) < len(chosen):
        raise InputError(
            f"{section}.layers: {chosen} cannot be used; {model} has {encoder.layers} hidden states, "
            f"0 (the embedding output) to {encoder.layers - 1}, each usable once; all of them: {section}.layers=all"
        )
    return tuple(chosen)


def _given(mixed: tuple[int, ...], encoder: Encoder, name: str, section: Speech | Text) -> tuple[int, ...]:
    """The hidden states that a frozen encoder gives: all that are mixed, or those up to where tuned layers begin."""
    if section.lora is None:
        return mixed
    check_tunable(encoder, name, section.model)
    start = max(mixed) - section.lora.last
    if start < 0:
        raise InputError(
            f"{name}.lora.last: {section.lora.last} layers cannot be tuned; {max(mixed)} of {section.model} run up to "
            f"the highest hidden state of {name}.layers"
        )
    below = tuple(layer for layer in mixed if layer <= start)
    return below if start in below else (*below, start)


def _kept(used: tuple[int, ...], encoder: Encoder, features: Features) -> tuple[int, ...]:
    there = range(encoder.layers)
    more = {"used": [], "all": there}[features.layers] if isinstance(features.layers, str) else features.layers
    return (*used, *(layer for layer in more if layer in there and layer not in used))
