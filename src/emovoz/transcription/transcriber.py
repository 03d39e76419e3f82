"""Transcriber: recognises the words of a clip, by a Whisper in faster-whisper."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from emovoz.corpus.loops import loop_in
from emovoz.corpus.transcripts import normalised
from emovoz.errors import InputError, did_you_mean
from emovoz.transcription.transcript import SAMPLE_RATE, Transcript, Word

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment

MOST_COMPRESSIBLE = 2.4
"""Bytes of a text to those of it compressed, beyond which it repeats itself (Radford et al. 2022, section 4.5)."""
_WITHOUT_BLANKS = ("zh", "ja", "th", "lo", "my", "yue")
"""Languages whose words blanks do not separate."""


class Transcriber:
    """Recognises words in speech; what it gives for a clip depends on no other clip.

    Args:
        model: that recognises.
        name: what it is called.
        language: that is spoken in all clips, as a code such as `es`; None detects it in each.

    Raises:
        InputError: a language that the model does not know.
    """

    def __init__(self, model: "WhisperModel", name: str, language: str | None = None) -> None:
        if language is not None and language not in model.supported_languages:
            known = model.supported_languages
            raise InputError(
                f"language {language!r}: {name} knows it not; codes such as es, en, de are meant"
                f"{did_you_mean(language, known)}"
            )
        self.model, self.name, self.language = model, name, language

    @classmethod
    def load(cls, name: str = "whisper-base", language: str | None = None) -> "Transcriber":
        """A recogniser by its name.

        Args:
            name: `whisper-base`, whose weights packages carry; a local CTranslate2 directory; or what is downloaded
                from the hub once: a size of faster-whisper (`small`, `large-v3`, ...), or a hub id.
            language: that is spoken in all clips, as a code such as `es`; None detects it in each.

        Raises:
            InputError: no such recogniser or language, or faster-whisper is not installed.

        >>> transcriber = Transcriber.load("whisper-base", language="es")
        >>> transcriber(np.zeros(16000, np.float32)).text
        ''
        """
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise InputError("to recognise words: pip install 'emovoz[asr]'") from error
        from emovoz.transcription.fitting import misfits
        from emovoz.transcription.models import directory_of

        directory = directory_of(name)
        faults = list(misfits(directory))
        if faults:
            raise InputError(f"{name}: cannot be loaded as a recogniser of words ({fault})" for fault in faults)
        try:
            # all is there: nothing is asked of the hub
            model = WhisperModel(str(directory), local_files_only=True, **_placement())
        except Exception as error:
            # its libraries raise whatever they like, the tokenizer's an Exception
            raise InputError(f"{name}: cannot be loaded as a recogniser of words ({error})") from error
        bands, wanted = len(model.feature_extractor.mel_filters), model.model.n_mels
        if bands != wanted:
            raise InputError(f"{name}: preprocessor_config.json makes {bands} mel bands, the model hears {wanted}")
        return cls(model, name, language)

    def __call__(self, samples: np.ndarray, language: str | None = None) -> Transcript:
        """The words of a clip; none where no speech is found, or where the recogniser is caught in a loop.

        Args:
            samples: float32 [time] at 16 kHz.
            language: that is spoken in this clip, where it is known, such as `es` or `es-MX`; another word for it is
                passed over.
        """
        code = (language or "").split("-")[0].lower()
        known = code if code in self.model.supported_languages else None
        segments, info = self.model.transcribe(
            samples,
            language=self.language or known,
            word_timestamps=True,
            # what follows makes the result the same each time, and keeps one mistake from leading to the next
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=True,
        )
        sound = [segment for segment in segments if not _repeats_itself(segment)]
        pieces = [word for segment in sound for word in segment.words or ()]
        apart = info.language not in _WITHOUT_BLANKS
        words = tuple(_in_time(_words(pieces, apart=apart), len(samples) / SAMPLE_RATE))
        text = (" " if apart else "").join(word.text for word in words)
        return Transcript(text, words, info.language) if words else Transcript()


def _placement() -> dict[str, Any]:
    """Where the model computes, how, and on how many processors."""
    import torch

    from emovoz.encoders.placement import compute_device

    device = compute_device()
    if device.type == "cuda":
        return {"device": "cuda", "device_index": device.index or 0, "compute_type": "float16"}
    return {"device": "cpu", "compute_type": "int8", "cpu_threads": torch.get_num_threads()}


def _repeats_itself(segment: "Segment") -> bool:
    return segment.compression_ratio > MOST_COMPRESSIBLE or loop_in(normalised(segment.text)) is not None


def _words(pieces: Iterable[Any], *, apart: bool) -> Iterator[Word]:
    """The words that pieces make: where blanks set words apart, a piece without one belongs to the word before it."""
    word: Word | None = None
    for piece in pieces:
        text = piece.word.strip()
        if word is not None and apart and not piece.word.startswith(" "):
            lower = min(word.probability, piece.probability)
            word = Word(word.text + text, word.start, float(piece.end), float(lower))
            continue
        if word is not None and word.text:
            yield word
        word = Word(text, float(piece.start), float(piece.end), float(piece.probability))
    if word is not None and word.text:
        yield word


def _in_time(words: Iterable[Word], seconds: float) -> Iterator[Word]:
    """The same words, in order and within the clip: it is heard padded, and a word may be placed beyond its end."""
    earliest = 0.0
    for word in words:
        start = min(max(word.start, earliest), max(0.0, seconds - 0.01))
        end = min(max(word.end, start), seconds)
        earliest = start
        yield Word(word.text, round(start, 2), round(end, 2), round(word.probability, 3))
