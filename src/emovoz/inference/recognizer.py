"""Recognizer: encoders, head and recipe together; what is trained, saved, shared and asked."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emovoz.corpus import Clip
from emovoz.errors import ClipError, InputError
from emovoz.features import ClipFeatures, FrozenEncoders, LongClipFeatures, encode_clips
from emovoz.files import folder_in_making, put_in_place
from emovoz.inference.adaptation import adapted, advise, check_adapts
from emovoz.inference.display import recognizer_html
from emovoz.inference.inputs import Inputs, batches, clips_of, seconds_heard, with_text
from emovoz.inference.listening import listener_of
from emovoz.inference.model_folder import (
    CARD,
    FORMAT,
    as_saved,
    check_adapters,
    check_model_directory,
    encoder_faults,
    folder_of,
    read_card,
    write_checksums,
)
from emovoz.inference.prediction import Prediction, Predictor
from emovoz.inference.scores import decided, pooled
from emovoz.inference.table import folder_table
from emovoz.inference.temperature import temperature_faults, tempered
from emovoz.inference.thresholds import decisions, threshold_faults, threshold_row
from emovoz.inference.timeline import Timeline
from emovoz.inference.training_data import TrainingData
from emovoz.inference.transcribing import transcribing
from emovoz.memory import give_back
from emovoz.model import Head
from emovoz.model.saved import load_head, save_head, untrained_layers
from emovoz.recipe import RECIPE, Recipe
from emovoz.utterances.limits import Limits

if TYPE_CHECKING:
    from pandas import DataFrame

    from emovoz.explanation import Explanation
    from emovoz.transcription import Transcriber
    from emovoz.transcription.clips import Recognise


class Recognizer:
    """A trained recogniser of emotion.

    Args:
        head: trained.
        encoders: those whose features the head was trained on.
        recipe: how it was trained.
        name: what predictions call it.
        history: loss and dev score of each validation.
        data: what it has learned from: fingerprint, number of clips, labels.
        trained_on: fingerprints of the clips it has learned from; None where they are not known.
        temperature: by which logits are divided before they become probabilities; None leaves them as they are.
        thresholds: by label, what the decision is taken by (see `emovoz.inference.thresholds`); by default the most
            probable label is the decision, which is what equal thresholds give.
        selected: which settings were chosen in training, among which, and by what.
        held_out: macro-F1 in training on clips held out, and which these were.

    >>> recognizer = Recognizer.from_pretrained(model)
    >>> recognizer.labels
    ('anger', 'disgust', 'fear', 'joy', 'neutral', 'sadness')
    >>> (prediction,) = recognizer.predict(recording, text="¡Devuélveme el dinero ahora mismo!")
    >>> prediction.label in recognizer.labels, prediction.modalities
    (True, ('speech', 'text'))
    """

    def __init__(
        self,
        head: Head,
        encoders: FrozenEncoders,
        recipe: Recipe,
        *,
        name: str = "unsaved",
        history: list[dict[str, Any]] | None = None,
        data: dict[str, Any] | None = None,
        trained_on: TrainingData | None = None,
        temperature: float | None = None,
        thresholds: Mapping[str, float] | None = None,
        selected: Mapping[str, Any] | None = None,
        held_out: Mapping[str, Any] | None = None,
    ) -> None:
        self.head, self.encoders, self.recipe, self.name = head, encoders, recipe, name
        self.history, self.data, self.trained_on = history or [], data, trained_on
        self.temperature, self.selected = temperature, dict(selected) if selected else None
        self.thresholds = dict(thresholds) if thresholds else None
        self.held_out = dict(held_out) if held_out else None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it tells apart."""
        return self.head.config.labels

    def decided(self, vectors: Sequence[ClipFeatures]) -> np.ndarray:
        """Probability of each label from what `pooled` gives, float64 [clips, labels]; no row depends on the others."""
        return tempered(decided(self.head, vectors), self.temperature)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> "Recognizer":
        """Load what `save_pretrained` wrote, with the encoders it names.

        Args:
            source: a directory, or a hub id.

        Raises:
            InputError: no model there, a file that is not as it was saved, a temperature or thresholds that cannot be,
                or encoders here that are not those it was trained with.
        """
        directory = folder_of(str(source))
        with as_saved(directory):
            card = read_card(directory)
            recipe = Recipe.load(directory / RECIPE)
            encoders = FrozenEncoders.of(recipe)
            faults = list(encoder_faults(directory, card["encoders"], encoders))
            if faults:
                raise InputError(faults)
            head = load_head(directory, untrained_layers(encoders))
            check_adapters(directory, card["encoders"], head)
            temperature, thresholds = card.get("temperature"), card.get("thresholds")
            faults = [*temperature_faults(temperature), *threshold_faults(thresholds or {}, head.config.labels)]
            if faults:
                raise InputError(f"{directory / CARD}: {fault}" for fault in faults)
            return cls(
                head,
                encoders,
                recipe,
                name=Path(source).resolve().name,
                history=card["history"],
                data=card.get("data"),
                trained_on=TrainingData.load(directory),
                temperature=temperature,
                thresholds=thresholds,
                selected=card.get("selected"),
                held_out=card.get("held_out"),
            )

    def save_pretrained(self, directory: str | Path) -> None:
        """Write the model: head, recipe and what it needs to find its encoders again; whole or not at all.

        An earlier model in the same place is replaced.

        Raises:
            InputError: the directory holds something else.
        """
        target = Path(directory).resolve()
        check_model_directory(target)
        with folder_in_making(target) as scratch:
            save_head(self.head, scratch)
            (scratch / RECIPE).write_text(self.recipe.to_yaml(), encoding="utf-8")
            (scratch / CARD).write_text(json.dumps(self._card(), indent=2, ensure_ascii=False), encoding="utf-8")
            if self.trained_on is not None:
                self.trained_on.save(scratch)
            write_checksums(scratch)
            scratch.chmod(0o755)
            put_in_place(scratch, target)
        self.name = target.resolve().name

    def predict(
        self,
        inputs: Inputs | Iterable[Inputs],
        *,
        rate: int | None = None,
        text: str | None = None,
        audio_dir: str | Path | None = None,
        batch_size: int = 16,
        thresholds: Mapping[str, float] | None = None,
        enrolment: Inputs | Iterable[Inputs] | None = None,
        transcriber: "Transcriber | None" = None,
    ) -> list[Prediction]:
        """The emotion of each clip; a clip that cannot be judged gets a prediction with an error.

        Args:
            inputs: a file, folder, manifest, samples (`Waveform`, or an array with its `rate`), `Clip` or `Corpus`, or
                several of them.
            rate: of samples that come as arrays [time] or [time, channel], Hz.
            text: what is said, where there is one clip.
            audio_dir: folder of a manifest's audio.
            batch_size: clips encoded together; it does not change the result.
            thresholds: by label, in the place of those of the model; only their proportions matter, and a label
                without one has 0.5. The label with the largest multiple of its threshold is the decision.
            enrolment: unlabelled clips of the one voice that all inputs are of, as files, folder, manifest or `Clip`s;
                the speech is adapted to it (docs/adaptation.md). The inputs themselves tell nothing of the voice.
            transcriber: recognises the words of clips that come without (docs/transcripts.md).

        Raises:
            InputError: clips to enrol that cannot be used, or a model that cannot adapt; a manifest with faults,
                samples without their rate, a text for more than one clip, or a threshold of an unknown label or not
                between 0 and 1.

        >>> import numpy as np
        >>> recognizer = Recognizer.from_pretrained(model)
        >>> [one.error for one in recognizer.predict(["nowhere.wav", recording])]
        ['no such file', None]
        >>> recognizer.predict(np.sin(np.arange(8000) / 9), rate=8000)[0].seconds
        1.0
        """
        clips = with_text(clips_of(inputs, audio_dir=audio_dir, rate=rate), text)
        voices = None if enrolment is None else clips_of(enrolment, audio_dir=audio_dir, rate=rate)
        predictions = self.predict_each(
            clips, batch_size=batch_size, thresholds=thresholds, enrolment=voices, transcriber=transcriber
        )
        return list(predictions)

    def predict_folder(self, folder: str | Path, **settings: Any) -> "DataFrame":
        """The emotion of each file in a folder and below, as a table by their names; settings as of `predict`.

        >>> table = Recognizer.from_pretrained(model).predict_folder(recordings)
        >>> table.columns[:3].tolist(), bool(table["score_joy"].between(0, 1).all())
        (['id', 'label', 'seconds'], True)
        """
        return folder_table(self, Path(folder), **settings)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return recognizer_html(self)

    def explain(
        self,
        clip: Inputs,
        *,
        rate: int | None = None,
        text: str | None = None,
        label: str | None = None,
        transcriber: "Recognise | None" = None,
    ) -> "Explanation":
        """Why a clip is judged so, and a check of it; arguments as in `emovoz.explanation.explain_input`."""
        from emovoz.explanation import explain_input

        return explain_input(self, clip, rate=rate, text=text, label=label, transcriber=transcriber)

    def predict_each(
        self,
        clips: Iterable[Clip],
        *,
        batch_size: int = 16,
        thresholds: Mapping[str, float] | None = None,
        enrolment: Iterable[Clip] | None = None,
        transcriber: "Transcriber | None" = None,
    ) -> Iterator[Prediction]:
        """Predictions one after the other, as they come; see `predict`."""
        predictor = self.predictor(batch_size=batch_size, thresholds=thresholds, enrolment=enrolment)
        return (transcribing(predictor, transcriber) if transcriber else predictor)(clips)

    def predictor(
        self,
        *,
        batch_size: int = 16,
        thresholds: Mapping[str, float] | None = None,
        enrolment: Iterable[Clip] | None = None,
    ) -> Predictor:
        """What gives predictions of clips, for those who ask more than once; see `predict`."""
        limits = self.threshold_row(thresholds)
        if enrolment is None:
            advise(self.recipe, "name their folder with --adapt-speaker")
        voice = None if enrolment is None else self._voice(enrolment, batch_size)
        return lambda clips: self._predictions(clips, batch_size, limits, voice)

    def threshold_row(self, thresholds: Mapping[str, float] | None = None) -> np.ndarray:
        """The threshold of each label [labels]: the one given, else the model's own, else 0.5."""
        return threshold_row({**(self.thresholds or {}), **(thresholds or {})}, self.labels)

    def predict_timeline(
        self,
        recording: Inputs,
        *,
        rate: int | None = None,
        limits: Limits | None = None,
        smooth: float = 0.0,
        transcriber: "Transcriber | None" = None,
        thresholds: Mapping[str, float] | None = None,
        enrolment: Inputs | Iterable[Inputs] | None = None,
    ) -> Timeline:
        """The emotions of a recording of any length, utterance by utterance, in memory that does not grow with it.

        Args:
            recording: a file, samples (`Waveform`, or an array with its `rate`), or a `Clip`.
            rate: of samples that come as an array [time] or [time, channel], Hz.
            limits: what makes an utterance.
            smooth: seconds within which neighbours count (see `emovoz.inference.smoothing`); 0 leaves each as it is.
            transcriber: recognises the words, which the model then reads.
            thresholds, enrolment: see `predict`.

        Raises:
            InputError: see `predict`; more than one recording, or a model without ears and no transcriber.

        >>> timeline = Recognizer.from_pretrained(model).predict_timeline(recording)
        >>> [(segment.start, segment.label in timeline.labels) for segment in timeline.segments]
        [(0.0, True)]
        """
        clips = list(clips_of(recording, rate=rate))
        if len(clips) != 1:
            raise InputError(f"{len(clips)} recordings where one is wanted: a timeline is of one")
        voice = None if enrolment is None else clips_of(enrolment, rate=rate)
        listener = listener_of(
            self, limits=limits, smooth=smooth, transcriber=transcriber, thresholds=thresholds, enrolment=voice
        )
        return listener.timeline(clips[0])

    def _voice(self, enrolment: Iterable[Clip], batch_size: int) -> list[ClipFeatures]:
        """The pooled clips by which a voice is known."""
        check_adapts(self.head)
        found: list[ClipFeatures] = []
        faults = []
        for batch in batches(enrolment, batch_size):
            for clip, vectors in zip(batch, self._pooled(batch), strict=True):
                if isinstance(vectors, ClipError):
                    faults.append(f"{clip.describe()}: {vectors}; a voice is adapted to by sound clips alone")
                elif self.head.speech_part not in vectors.by_modality:
                    faults.append(f"{clip.describe()}: no audio, so it tells nothing of the voice")
                else:
                    found.append(vectors)
        if faults or not found:
            raise InputError(faults or "no clips to adapt to the speaker by")
        return found

    def _predictions(
        self, clips: Iterable[Clip], batch_size: int, limits: np.ndarray, voice: Sequence[ClipFeatures] | None
    ) -> Iterator[Prediction]:
        for batch in batches(clips, batch_size):
            for clip, vectors in zip(batch, self._pooled(batch), strict=True):
                if isinstance(vectors, ClipError):
                    yield Prediction(clip.id, error=str(vectors))
                else:
                    yield self._prediction(clip, vectors, limits, voice)
            give_back()

    def _pooled(self, clips: Sequence[Clip]) -> list[ClipFeatures | ClipError]:
        """The pooled vectors of each clip, or why there are none; long recordings one at a time."""
        found: dict[int, ClipFeatures | ClipError] = {}
        short: dict[int, ClipFeatures] = {}
        for i, features in enumerate(encode_clips(clips, self.encoders)):
            if isinstance(features, LongClipFeatures):
                try:
                    found[i] = pooled(self.head, [features])[0]
                except ClipError as error:
                    found[i] = error.bare()
            elif isinstance(features, ClipError):
                found[i] = features
            else:
                short[i] = features
        found |= dict(zip(short, pooled(self.head, list(short.values())), strict=True))
        return [found[i] for i in range(len(clips))]

    def _prediction(
        self, clip: Clip, vectors: ClipFeatures, limits: np.ndarray, voice: Sequence[ClipFeatures] | None
    ) -> Prediction:
        modalities = self.encoders.modalities(clip)
        adapts = voice is not None and self.head.speech_part in vectors.by_modality
        row = self.decided(adapted(self.head, [vectors], voice or ()) if adapts else [vectors])[0].tolist()
        if not np.isfinite(row).all():
            fault = "the model gives values for it that are not finite; are its weights sound?"
            return Prediction(clip.id, error=fault)
        return Prediction(
            id=clip.id,
            label=self.labels[int(decisions(np.array(row), limits))],
            scores=dict(zip(self.labels, row, strict=True)),
            seconds=seconds_heard(clip) if "speech" in modalities else None,
            transcription=(clip.transcription or None) if "text" in modalities else None,
            modalities=modalities,
            model=self.name,
            adapted_from=len(voice or ()) if adapts else None,
        )

    def _card(self) -> dict[str, Any]:
        from emovoz import __version__

        tuned = self.head.tuned_layers
        encoders = {
            name: {
                "model": branch.model,
                "source": branch.source,
                "fingerprint": branch.encoder.fingerprint,
                **({"adapter": tuned[name].digest} if name in tuned else {}),
            }
            for name, branch in self.encoders.branches.items()
        }
        return {
            "format": FORMAT,
            "emovoz": __version__,
            "encoders": encoders,
            "data": self.data,
            "temperature": self.temperature,
            "thresholds": self.thresholds,
            "selected": self.selected,
            "history": self.history,
            "held_out": self.held_out,
        }
