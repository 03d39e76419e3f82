"""export.json: what an export holds, and what has to be known to run its graphs."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emovoz.errors import InputError
from emovoz.inference.temperature import temperature_faults
from emovoz.inference.thresholds import threshold_faults

CARD = "export.json"
FORMAT = 1
TOKENIZER = "tokenizer.json"
MOST_BUCKETS = 2**24
"""Of n-grams: more would fill the memory, and no recipe has them."""


@dataclass(frozen=True)
class SpeechCard:
    """How a clip's audio goes through `speech.onnx`.

    Attributes:
        model, fingerprint: what the recipe calls the encoder, and which one it was.
        layers, dim: hidden states that the graph gives, and their width.
        sample_rate, frame_rate: of its input and of its output, Hz.
        window_frames, overlap_frames: longer clips go through in windows of this length, overlapping by this much.
        fewest_samples: shorter clips are filled up with zeros.
        stride: frames that `head.onnx` averages into one.
    """

    model: str
    fingerprint: str
    layers: tuple[int, ...]
    dim: int
    sample_rate: int
    frame_rate: float
    window_frames: int
    overlap_frames: int
    fewest_samples: int
    stride: int


@dataclass(frozen=True)
class TextCard:
    """How a clip's words go through `text.onnx`.

    Attributes:
        model, fingerprint: what the recipe calls the encoder, and which one it was.
        layers, dim: hidden states that the graph gives, and their width.
        prefix: put before every text.
        longest: tokens kept, special ones included.
        truncation_side: where a text is cut that has more of them.
        stand_in: the token of a text that has none.
    """

    model: str
    fingerprint: str
    layers: tuple[int, ...]
    dim: int
    prefix: str
    longest: int
    truncation_side: str
    stand_in: int


@dataclass(frozen=True)
class NgramsCard:
    """Which n-grams are counted, as in `emovoz.term_frequencies`."""

    characters: tuple[int, int] | None
    words: tuple[int, int] | None
    buckets: int


@dataclass(frozen=True)
class Card:
    """What an export is.

    Attributes:
        emovoz: the version that wrote it.
        model: name of the model that was exported.
        labels: in the order of the graph's outputs.
        temperature: by which `head.onnx` divides the logits; None where it does not.
        thresholds: by label, what the decision is taken by; None where the most probable label is the decision.
        quantised: whether the encoders' weights are int8.
        longest_seconds: longer recordings are refused.
        speech, text, ngrams: the branches; None without one.
        files: sha256 and bytes of every other file, by name.
    """

    emovoz: str
    model: str
    labels: tuple[str, ...]
    temperature: float | None
    thresholds: Mapping[str, float] | None
    quantised: bool
    longest_seconds: float
    speech: SpeechCard | None
    text: TextCard | None
    ngrams: NgramsCard | None
    files: Mapping[str, Mapping[str, Any]]

    @property
    def modalities(self) -> tuple[str, ...]:
        """What of a clip the model goes by: `speech`, `text` or both."""
        words = self.text is not None or self.ngrams is not None
        return (*(("speech",) if self.speech else ()), *(("text",) if words else ()))

    def to_json(self) -> str:
        """What `export.json` says."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False)


def read_card(directory: Path) -> Card:
    """What an export says of itself, once its files are found to be as long as it says.

    Raises:
        InputError: no export, one of another format, or one that is not whole.
    """
    try:
        told = json.loads((directory / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{directory}: not an exported model (no usable {CARD})") from error
    if not isinstance(told, dict) or told.pop("format", None) != FORMAT:
        raise InputError(f"{directory}: an export format that this version of emovoz does not read; update emovoz")
    kinds = {"speech": SpeechCard, "text": TextCard, "ngrams": NgramsCard}
    try:
        branches = {name: told[name] and kind(**_tuples(told[name])) for name, kind in kinds.items()}
        card = Card(**_tuples(told | branches))
        strange = list(_strange(card))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{directory / CARD}: damaged ({error}); export the model again") from error
    if strange:
        raise InputError(f"{directory / CARD}: damaged ({fault}); export the model again" for fault in strange)
    found = {name: (_bytes_of(directory / name), kept["bytes"]) for name, kept in card.files.items()}
    faults = [
        f"{directory / name}: {'missing' if there is None else f'{there} bytes, not {wanted}'}; "
        "copy the whole folder of the export again"
        for name, (there, wanted) in found.items()
        if there != wanted
    ]
    if faults:
        raise InputError(faults)
    return card


def may_be_replaced(directory: Path) -> bool:
    """Whether a folder is an export that this or another version of emovoz has written."""
    try:
        told = json.loads((directory / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and {"format", "emovoz", "labels", "files"} <= told.keys()


def is_export(path: Path) -> bool:
    """Whether a folder holds an exported model."""
    try:
        return (path / CARD).is_file()
    except (OSError, ValueError):
        return False


def _strange(card: Card) -> Iterator[str]:
    """What cannot be in a card that `export` has written."""
    if not card.labels or not all(isinstance(label, str) for label in card.labels):
        yield "labels"
    if not _is_number(card.longest_seconds):
        yield "longest_seconds"
    yield from temperature_faults(card.temperature)
    yield from threshold_faults(card.thresholds or {}, card.labels)
    for name, kept in card.files.items():
        if Path(name).name != name or not isinstance(kept["bytes"], int):
            yield f"files: {name}"
    graphs = [*(f"{branch}.onnx" for branch in ("speech", "text") if getattr(card, branch)), "head.onnx"]
    yield from (f"files: no {graph}" for graph in graphs if graph not in card.files)
    speech, text, ngrams = card.speech, card.text, card.ngrams
    if speech:
        sizes = (speech.dim, speech.sample_rate, speech.frame_rate, speech.window_frames, speech.stride)
        if not all(map(_is_number, sizes)) or not 0 <= speech.overlap_frames < speech.window_frames:
            yield "speech"
        if not 0 <= speech.fewest_samples <= speech.sample_rate:
            yield "speech: fewest_samples"
    if text and not (_is_number(text.dim) and _is_number(text.longest) and text.truncation_side in ("left", "right")):
        yield "text"
    if ngrams and not (_is_number(ngrams.buckets) and ngrams.buckets <= MOST_BUCKETS):
        yield "ngrams"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _bytes_of(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
