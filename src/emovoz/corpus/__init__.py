"""Labelled clips: reading them, checking them, decoding their audio, splitting them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from emovoz.corpus.audio import check_audio, load_audio, load_parts, seconds_of
from emovoz.corpus.clip import Clip
from emovoz.corpus.corpus import Corpus
from emovoz.corpus.demo_corpus import demo_corpus
from emovoz.corpus.recording import Waveform

if TYPE_CHECKING:
    from emovoz.corpus.splits import Fold, crossed_folds, grouped_folds, held_out, inner_folds, stratified_folds

__all__ = [
    "Clip",
    "Corpus",
    "Fold",
    "Waveform",
    "check_audio",
    "crossed_folds",
    "demo_corpus",
    "grouped_folds",
    "held_out",
    "inner_folds",
    "load_audio",
    "load_parts",
    "seconds_of",
    "stratified_folds",
]

_SPLITS = ("Fold", "crossed_folds", "grouped_folds", "held_out", "inner_folds", "stratified_folds")


def __getattr__(name: str) -> Any:
    # splitting takes scikit-learn, which reading does not wait for
    if name in _SPLITS:
        return getattr(import_module("emovoz.corpus.splits"), name)
    raise AttributeError(f"module 'emovoz.corpus' has no attribute {name!r}")
