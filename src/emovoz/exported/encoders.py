"""The encoders of an export: a clip's audio or words in, hidden states out; one clip at a time.

A clip alone has no padding, so its features are the same whatever it is predicted with. In int8 that is needed: values
are quantised by the range of all that goes through at once.
"""

from pathlib import Path
from typing import Any

import numpy as np

from emovoz.errors import InputError
from emovoz.exported.card import TOKENIZER, NgramsCard, SpeechCard, TextCard
from emovoz.exported.graph import Graph
from emovoz.term_frequencies import term_frequencies
from emovoz.windows import Windows


class ExportedSpeechEncoder:
    """`speech.onnx`.

    Args:
        directory: of the export.
        card: what it says of speech.
    """

    def __init__(self, directory: Path, card: SpeechCard) -> None:
        self.graph, self.card = Graph(directory / "speech.onnx"), card
        step = round(card.sample_rate / card.frame_rate)
        self.windows = Windows(card.window_frames, card.overlap_frames, step)

    def encode(self, waveform: np.ndarray) -> np.ndarray:
        """Hidden states [layer, time, dim] of float32 samples [time]; windows of long clips are joined."""
        states = [self._encode_window(window) for window in self.windows.of(waveform)]
        kept = self.windows.kept(len(states))
        return np.concatenate([state[:, own] for state, own in zip(states, kept, strict=True)], axis=1)

    def _encode_window(self, window: np.ndarray) -> np.ndarray:
        filled = np.pad(window, (0, max(0, self.card.fewest_samples - len(window))))[None]
        states, mask = self.graph(waveform=filled, waveform_mask=np.ones(filled.shape, bool))
        return states[0][:, mask[0]]


class ExportedTextEncoder:
    """`text.onnx` and its tokenizer.

    Args:
        directory: of the export.
        card: what it says of text.

    Raises:
        InputError: the tokenizer cannot be read.
    """

    def __init__(self, directory: Path, card: TextCard) -> None:
        from tokenizers import Tokenizer

        self.graph, self.card = Graph(directory / "text.onnx"), card
        file = directory / TOKENIZER
        try:
            self.tokenizer: Any = Tokenizer.from_file(str(file))
        except Exception as error:
            raise InputError(f"{file}: not readable as a tokenizer ({error}); export the model again") from error
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(card.longest, direction=card.truncation_side)

    def encode(self, text: str) -> np.ndarray:
        """Hidden states [layer, token, dim] of a plain text."""
        ids = self.tokenizer.encode(self.card.prefix + text).ids or [self.card.stand_in]
        tokens = np.array([ids], dtype=np.int64)
        states, _ = self.graph(input_ids=tokens, attention_mask=np.ones_like(tokens))
        return states[0]


def count_ngrams(card: NgramsCard, text: str) -> np.ndarray:
    """Term frequencies [1, 1, dim] of a plain text."""
    return term_frequencies(text, characters=card.characters, words=card.words, buckets=card.buckets)[None, None]
