"""The frozen encoders of a recipe, and clips put through them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from emovoz.corpus import Clip, load_audio, seconds_of
from emovoz.encoders import load_speech_encoder, load_text_encoder
from emovoz.errors import ClipError, InputError
from emovoz.features.batch import ClipFeatures
from emovoz.features.keys import audio_key, text_key
from emovoz.features.store import stored
from emovoz.recipe import Layers, Recipe


class Encoder(Protocol):
    """What speech and text encoders have in common."""

    dim: int
    layers: int
    fingerprint: str

    def encode_each(self, inputs: Sequence[Any], layers: Sequence[int] | None = None, /) -> list[Tensor]:
        """Hidden states [layer, time, dim] of each input."""


@dataclass(frozen=True)
class Branch:
    """One modality: its encoder, the hidden states used, and how a clip becomes the encoder's input.

    Attributes:
        modality: `speech` or `text`.
        model: what the recipe calls the encoder.
        key: content key of a clip.
        read: the encoder's input; raises ClipError where the clip has none that can be used.
        size: how much of it there is, seconds or characters.
        portion: how much is read and encoded at a time, in the same unit.
        frame_rate: of its features, Hz; None where they are no stretch of time.
    """

    modality: str
    model: str
    encoder: Encoder
    layers: tuple[int, ...]
    key: Callable[[Clip], str]
    read: Callable[[Clip], Any]
    size: Callable[[Clip], float]
    portion: int
    frame_rate: float | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, dim) of its features."""
        return len(self.layers), self.encoder.dim


@dataclass(frozen=True)
class FrozenEncoders:
    """The branches of a recipe, by modality."""

    branches: dict[str, Branch]

    @classmethod
    def of(cls, recipe: Recipe) -> "FrozenEncoders":
        """Load the encoders that a recipe names.

        Raises:
            InputError: one cannot be loaded, or has no such layer.
        """
        branches = (_speech_branch(recipe), _text_branch(recipe))
        return cls({branch.modality: branch for branch in branches if branch})

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """(layers, dim) of each modality's features."""
        return {name: branch.shape for name, branch in self.branches.items()}

    @property
    def frame_rate(self) -> float | None:
        """Frames a second of the speech features, Hz; None without speech."""
        return self.branches["speech"].frame_rate if "speech" in self.branches else None

    def modalities(self, clip: Clip) -> tuple[str, ...]:
        """What these encoders can use of a clip.

        An empty transcription counts as words only where there is nothing else to go by.
        """
        mute = "speech" not in self.branches or clip.audio is None
        words = clip.transcription is not None and (clip.transcription.strip() != "" or mute)
        there = {"speech": clip.audio is not None, "text": words}
        return tuple(name for name in self.branches if there[name])

    def lack(self, clip: Clip) -> ClipError | None:
        """Why these encoders can use nothing of a clip, None where they can use something."""
        if self.modalities(clip):
            return None
        lacking = " and ".join({"speech": "no audio", "text": "no transcription"}[name] for name in self.branches)
        return ClipError(f"{lacking}, so there is nothing this recipe could use")


def encode_clips(clips: Sequence[Clip], encoders: FrozenEncoders) -> Iterator[ClipFeatures | ClipError]:
    """Features of each clip in turn, at the store's precision; in the place of a clip that has none, the reason.

    The clips are encoded together; their features do not depend on each other.
    """
    features: list[dict[str, Tensor]] = [{} for _ in clips]
    errors = {i: lack for i, clip in enumerate(clips) if (lack := encoders.lack(clip))}
    for name, branch in encoders.branches.items():
        used = [i for i, clip in enumerate(clips) if name in encoders.modalities(clip)]
        inputs = dict(zip(used, read_all(branch, [clips[i] for i in used]), strict=True))
        errors |= {i: value for i, value in inputs.items() if isinstance(value, ClipError)}
        sound = [i for i in used if i not in errors]
        for i, states in zip(sound, branch.encoder.encode_each([inputs[i] for i in sound], branch.layers), strict=True):
            features[i][name] = stored(states).cpu()
    for i in range(len(clips)):
        yield errors[i] if i in errors else ClipFeatures(features[i])


def read_all(branch: Branch, clips: Sequence[Clip], workers: int = 2) -> list[Any]:
    """The encoder's input for each clip, in order; in the place of one that cannot be used, its ClipError."""

    def read(clip: Clip) -> Any:
        try:
            return branch.read(clip)
        except ClipError as error:
            return error

    with ThreadPoolExecutor(max(1, workers)) as pool:
        return list(pool.map(read, clips))


def _speech_branch(recipe: Recipe) -> Branch | None:
    if recipe.speech is None:
        return None
    encoder = load_speech_encoder(recipe.speech.model)

    def read(clip: Clip) -> Any:
        assert clip.audio is not None
        return load_audio(clip.audio, encoder.sample_rate, start=clip.start, end=clip.end)

    def size(clip: Clip) -> float:
        assert clip.audio is not None
        return seconds_of(clip.audio, start=clip.start, end=clip.end)

    return Branch(
        modality="speech",
        model=recipe.speech.model,
        encoder=encoder,
        layers=_chosen(recipe.speech.layers, encoder, "speech", recipe.speech.model),
        key=audio_key,
        read=read,
        size=size,
        portion=240,
        frame_rate=encoder.frame_rate,
    )


def _text_branch(recipe: Recipe) -> Branch | None:
    if recipe.text is None:
        return None
    encoder = load_text_encoder(recipe.text.model, prefix=recipe.text.prefix)
    return Branch(
        modality="text",
        model=recipe.text.model,
        encoder=encoder,
        layers=_chosen(recipe.text.layers, encoder, "text", recipe.text.model),
        key=lambda clip: text_key(clip.transcription or ""),
        read=lambda clip: clip.transcription or "",
        size=lambda clip: len(clip.transcription or ""),
        portion=40_000,
    )


def _chosen(layers: Layers, encoder: Encoder, section: str, model: str) -> tuple[int, ...]:
    chosen = list(range(encoder.layers)) if layers == "all" else list(layers)
    if not chosen or max(chosen) >= encoder.layers or len(set(chosen)) < len(chosen):
        raise InputError(
            f"{section}.layers: {chosen} cannot be used; {model} has {encoder.layers} hidden states, "
            f"0 (the embedding output) to {encoder.layers - 1}, each usable once"
        )
    return tuple(chosen)
