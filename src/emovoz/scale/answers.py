"""Predictions kept as they are made, in files of JSON lines at a folder or URL, so that none is made twice."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emovoz.errors import InputError
from emovoz.files import check_folder, write_bytes
from emovoz.inference.prediction import Prediction
from emovoz.progress import say
from emovoz.remote import is_url, joined, listing, read, write
from emovoz.transcription.transcript import Word

PARTS = "parts"


@dataclass(frozen=True)
class Answers:
    """A folder, here or at a URL, with the predictions of one model and its settings.

    Attributes:
        place: path or URL.
        asked: hash of the model and of all settings that a prediction depends on.
    """

    place: str
    asked: str

    def check(self) -> None:
        """Raise InputError unless something can be written there."""
        if not is_url(self.place):
            check_folder(Path(self.place))

    def read(self) -> dict[str, Prediction]:
        """What has been answered, by content; a damaged file is told of, and its clips are judged again."""
        known: dict[str, Prediction] = {}
        for name in self._parts():
            try:
                lines = [json.loads(line) for line in self._read(name).decode().splitlines()]
                known |= {line["content"]: _prediction(line["answer"]) for line in lines}
            except (ValueError, KeyError, TypeError) as error:
                if isinstance(error, InputError):
                    raise
                say(f"{joined(self.place, PARTS, name)}: damaged; its clips are judged again")
        return known

    def keep(self, contents: Sequence[str | None], predictions: Sequence[Prediction]) -> None:
        """Add a file of predictions, named by what they are of; those of contents that cannot be read are left out."""
        known = [(content, one) for content, one in zip(contents, predictions, strict=True) if content]
        if known:
            lines = [json.dumps({"content": content, "answer": asdict(one)}) for content, one in known]
            name = f"{self.asked}-{digest(*(content for content, _ in known))}.jsonl"
            self.write(f"{PARTS}/{name}", "".join(f"{line}\n" for line in lines).encode())

    def write(self, name: str, content: bytes) -> str:
        """Write a file there, whole; where it is then."""
        if is_url(self.place):
            write(joined(self.place, name), content)
            return joined(self.place, name)
        write_bytes(Path(self.place) / name, content)
        return str(Path(self.place) / name)

    def _parts(self) -> list[str]:
        if is_url(self.place):
            names = list(listing(joined(self.place, PARTS)))
        else:
            folder = Path(self.place) / PARTS
            names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return [name for name in names if name.startswith(f"{self.asked}-") and name.endswith(".jsonl")]

    def _read(self, name: str) -> bytes:
        if is_url(self.place):
            return read(joined(self.place, PARTS, name))
        return (Path(self.place) / PARTS / name).read_bytes()


def digest(*parts: object) -> str:
    """A hash that tells these apart from others, 16 hexadecimal digits.

    >>> digest("a", "bc") == digest("ab", "c")
    False
    """
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _prediction(answer: dict[str, Any]) -> Prediction:
    words = answer.pop("words")
    modalities = tuple(answer.pop("modalities"))
    return Prediction(**answer, modalities=modalities, words=words and tuple(Word(**word) for word in words))
