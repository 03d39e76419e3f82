"""Labelled clips: reading them, checking them, decoding their audio, splitting them."""

from emovoz.corpus.audio import check_audio, load_audio, load_parts, seconds_of
from emovoz.corpus.clip import Clip
from emovoz.corpus.corpus import Corpus
from emovoz.corpus.demo_corpus import demo_corpus
from emovoz.corpus.recording import Waveform
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
