"""ExportedRecognizer: what predicts from an export as a Recognizer does from a model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np

from emovoz.corpus import Clip, load_audio
from emovoz.corpus.modalities import lack_of, modalities_of
from emovoz.errors import ClipError
from emovoz.exported.card import Card, NgramsCard, SpeechCard, TextCard, is_export, read_card
from emovoz.exported.encoders import ExportedSpeechEncoder, ExportedTextEncoder, count_ngrams
from emovoz.exported.graph import Graph
from emovoz.inference.inputs import Inputs, batches, clips_of, seconds_heard, with_text
from emovoz.inference.prediction import Prediction
from emovoz.inference.thresholds import decisions, threshold_row
from emovoz.links import check_links
from emovoz.term_frequencies import places

DECODERS = 2
"""Threads that decode audio while graphs run."""


class ExportedRecognizer:
    """A trained recogniser as `emovoz export` has written it; it needs neither torch nor transformers.

    A graph is loaded when the first clip asks for it.

    Args:
        directory: of the export.
        card: what it says of itself.
    """

    def __init__(self, directory: Path, card: Card) -> None:
        self.directory, self.card = directory, card

    @classmethod
    def from_pretrained(cls, directory: str | Path) -> "ExportedRecognizer":
        """An export by its folder.

        Raises:
            InputError: no export there, one that is not whole, or a link in it that leads out of it.
        """
        if is_export(Path(directory)):
            check_links(Path(directory))
        return cls(Path(directory), read_card(Path(directory)))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it tells apart."""
        return self.card.labels

    @property
    def name(self) -> str:
        """What predictions call it: the name of the model that was exported."""
        return self.card.model

    def predict(
        self,
        inputs: Inputs | Iterable[Inputs],
        *,
        rate: int | None = None,
        text: str | None = None,
        audio_dir: str | Path | None = None,
        batch_size: int = 16,
        thresholds: Mapping[str, float] | None = None,
    ) -> list[Prediction]:
        """The emotion of each clip; arguments and errors as of `Recognizer.predict`, without adaptation to a voice."""
        clips = with_text(clips_of(inputs, audio_dir=audio_dir, rate=rate), text)
        return list(self.predict_each(clips, batch_size=batch_size, thresholds=thresholds))

    def predict_each(
        self, clips: Iterable[Clip], *, batch_size: int = 16, thresholds: Mapping[str, float] | None = None
    ) -> Iterator[Prediction]:
        """Predictions one after the other, as they come; see `predict`.

        Args:
            clips: in the order wanted.
            batch_size: clips whose audio is in memory at once.
            thresholds: by label, in the place of those of the model.
        """
        limits = threshold_row({**(self.card.thresholds or {}), **(thresholds or {})}, self.labels)
        return self._predictions(clips, batch_size, limits)

    def _predictions(self, clips: Iterable[Clip], batch_size: int, limits: np.ndarray) -> Iterator[Prediction]:
        with ThreadPoolExecutor(DECODERS) as decoders:
            for batch in batches(clips, batch_size):
                for clip, sound in zip(batch, decoders.map(self._sound, batch), strict=True):
                    if isinstance(sound, ClipError):
                        yield Prediction(clip.id, error=str(sound))
                    else:
                        yield self._prediction(clip, sound, limits)

    def _sound(self, clip: Clip) -> np.ndarray | ClipError | None:
        """The samples of a clip, None where it has none or none are wanted, or why the clip cannot be used."""
        lack = lack_of(clip, self.card.modalities)
        if lack or "speech" not in modalities_of(clip, self.card.modalities):
            return lack
        assert clip.audio is not None
        assert self.card.speech is not None
        try:
            longest = self.card.longest_seconds
            if (seconds_heard(clip) or 0.0) > longest:
                return ClipError(
                    f"longer than {longest:g} s, and an exported model holds all of a recording in memory; cut it, for "
                    "instance by the columns start and end of a manifest, or predict with the model itself"
                )
            return load_audio(clip.audio, self.card.speech.sample_rate, start=clip.start, end=clip.end)
        except ClipError as error:
            return error.bare()

    def _prediction(self, clip: Clip, sound: np.ndarray | None, limits: np.ndarray) -> Prediction:
        modalities = modalities_of(clip, self.card.modalities)
        row = self.scores(sound, (clip.transcription or "") if "text" in modalities else None)
        if not np.isfinite(row).all():
            return Prediction(
                clip.id, error="the model gives values for it that are not finite; are its weights sound?"
            )
        return Prediction(
            id=clip.id,
            label=self.labels[int(decisions(row, limits))],
            scores=dict(zip(self.labels, row.tolist(), strict=True)),
            seconds=seconds_heard(clip) if sound is not None else None,
            transcription=(clip.transcription or None) if "text" in modalities else None,
            modalities=modalities,
            model=self.name,
        )

    def scores(self, sound: np.ndarray | None, words: str | None) -> np.ndarray:
        """Probability of each label, float64 [labels].

        Args:
            sound: float32 samples [time] at the rate that the export's card tells; None without any.
            words: what is said; None where that is not known.
        """
        found: dict[str, np.ndarray | None] = {}
        if self.card.speech is not None:
            found["speech"] = None if sound is None else self.speech_encoder.encode(sound)
        if self.card.text is not None:
            found["text"] = None if words is None else self.text_encoder.encode(words)
        if self.card.ngrams is not None:
            found["ngrams"] = None if words is None else count_ngrams(self.card.ngrams, words)
        inputs = {}
        for name, states in found.items():
            # an absent branch is a frame that the mask does not count
            given = np.zeros((*self._shape(name), 1), np.float32).swapaxes(1, 2) if states is None else states
            inputs[name], inputs[f"{name}_mask"] = given[None], np.full((1, given.shape[1]), states is not None)
        _, probabilities = self._head(**inputs)
        return probabilities[0].astype(np.float64)

    @cached_property
    def speech_encoder(self) -> ExportedSpeechEncoder:
        """What encodes audio, where the export has such a branch."""
        return ExportedSpeechEncoder(self.directory, cast(SpeechCard, self.card.speech))

    @cached_property
    def text_encoder(self) -> ExportedTextEncoder:
        """What encodes words, where the export has such a branch."""
        return ExportedTextEncoder(self.directory, cast(TextCard, self.card.text))

    @cached_property
    def _head(self) -> Graph:
        return Graph(self.directory / "head.onnx")

    def _shape(self, name: str) -> Sequence[int]:
        """(layers, dim) of a branch."""
        ngrams = cast(NgramsCard, self.card.ngrams)
        if name == "ngrams":
            return 1, places(characters=ngrams.characters, words=ngrams.words, buckets=ngrams.buckets)
        card = cast(SpeechCard | TextCard, self.card.speech if name == "speech" else self.card.text)
        return len(card.layers), card.dim
