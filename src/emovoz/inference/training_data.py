"""What a model has learned from, as fingerprints: enough to know a clip again, and nothing else of it."""

import base64
import binascii
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emovoz.corpus import Clip, Corpus
from emovoz.corpus.fingerprints import BYTES, audio_fingerprint, text_fingerprint
from emovoz.errors import ClipError, InputError
from emovoz.features import FrozenEncoders
from emovoz.files import write_whole
from emovoz.progress import progress

TRAINING_DATA = "training_data.json"
"""In a model's folder."""
FORMAT = 1


@dataclass(frozen=True)
class Fingerprints:
    """Of clips' audio and of their transcriptions, each once."""

    clips: frozenset[bytes] = frozenset()
    transcripts: frozenset[bytes] = frozenset()


@dataclass(frozen=True)
class TrainingData:
    """Fingerprints of the clips that a model was trained on, and of the dev clips it was given."""

    train: Fingerprints
    dev: Fingerprints = Fingerprints()

    @classmethod
    def of(cls, corpus: Corpus, dev: Corpus | None, encoders: FrozenEncoders, *, workers: int = 2) -> "TrainingData":
        """The fingerprints of what these encoders hear and read of clips; what they do not, the model has not learned.

        Args:
            corpus: trained on.
            dev: clips that chose or judged its state.
            encoders: of the model.
            workers: threads that decode audio.
        """
        parts = [_collected(fingerprints_of(part, encoders, workers=workers)) for part in (corpus, dev) if part]
        return cls(*parts)

    def save(self, directory: Path) -> None:
        """Write them into a model's folder: 8 bytes each, sorted, in base64."""
        parts = {
            name: {"clips": _packed(part.clips), "transcripts": _packed(part.transcripts)}
            for name, part in (("train", self.train), ("dev", self.dev))
        }
        write_whole(directory / TRAINING_DATA, json.dumps({"format": FORMAT, **parts}, indent=1) + "\n")

    @classmethod
    def load(cls, directory: Path) -> "TrainingData | None":
        """Those of a model's folder; None where it has none, which is so of models of earlier versions.

        Raises:
            InputError: a file that cannot be read.
        """
        path = directory / TRAINING_DATA
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise InputError(f"{path}: a format that this version of emovoz does not read; update emovoz")
            parts = [content[name] for name in ("train", "dev")]
            return cls(*(Fingerprints(_unpacked(part["clips"]), _unpacked(part["transcripts"])) for part in parts))
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: damaged; copy the whole folder of the model again") from error


def fingerprints_of(
    corpus: Corpus, encoders: FrozenEncoders, *, workers: int = 2
) -> list[tuple[bytes | None, bytes | None]]:
    """Of the audio and of the transcription of each clip, None where these encoders do not go by it."""

    def of(clip: Clip) -> tuple[bytes | None, bytes | None]:
        there = encoders.modalities(clip)
        heard = None
        # features may be in the store of audio that cannot be decoded here
        with suppress(ClipError):
            heard = audio_fingerprint(clip) if "speech" in there else None
        return heard, text_fingerprint(clip.transcription) if "text" in there else None

    found = []
    with ThreadPoolExecutor(max(1, workers)) as pool, progress("fingerprints of clips", len(corpus)) as advance:
        for one in pool.map(of, corpus):
            found.append(one)
            advance(1)
    return found


def _collected(prints: Iterable[tuple[bytes | None, bytes | None]]) -> Fingerprints:
    clips, transcripts = zip(*prints, strict=True)
    return Fingerprints(frozenset(filter(None, clips)), frozenset(filter(None, transcripts)))


def _packed(prints: frozenset[bytes]) -> str:
    return base64.b64encode(b"".join(sorted(prints))).decode()


def _unpacked(packed: str) -> frozenset[bytes]:
    """The fingerprints that `_packed` has packed; ValueError where it has not."""
    content = base64.b64decode(packed, validate=True)
    if len(content) % BYTES:
        raise binascii.Error("cut off")
    return frozenset(content[at : at + BYTES] for at in range(0, len(content), BYTES))
