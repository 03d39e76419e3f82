"""SpeechEncoder: what every speech encoder has in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from emovoz.encoders.placement import at_once, batch_budget, length_batches
from emovoz.sequence import MaskedSequence
from emovoz.threads import several_at_once
from emovoz.windows import Windows


class SpeechEncoder(ABC):
    """A frozen speech encoder.

    Attributes:
        sample_rate: of the waveforms it wants, Hz.
        dim: width of a frame.
        layers: number of hidden states, the embedding output included.
        frame_rate: frames a second, Hz.
        window_frames, overlap_frames: longer clips go through in windows of this length, overlapping by this much.
        budget_frames: frames of a batch.
        most_at_once: batches that it can work on at once; None: any number.
        device: where it computes.
        precision: the least that keeps what its states say; `float32` where float16 does not.
        fingerprint: hash of the weights' values, preprocessing, mode, backend and precision.
        kindred: the same for each precision that its products can be computed in; none where there is one only.
    """

    sample_rate: int
    dim: int
    layers: int
    frame_rate: float
    window_frames: int
    overlap_frames: int
    budget_frames: int = 3000
    precision: str = "float16"
    most_at_once: int | None = None
    device: torch.device
    fingerprint: str
    kindred: Mapping[str, str] = MappingProxyType({})

    def encode(self, waveforms: Sequence[np.ndarray], layers: Sequence[int] | None = None) -> MaskedSequence:
        """Hidden states of a batch of clips, each clip's independent of the others.

        Args:
            waveforms: float samples [time] at `sample_rate`.
            layers: which hidden states; all by default.

        Returns:
            features [batch, layer, time, dim].
        """
        return MaskedSequence.pad(self.encode_each(waveforms, layers))

    def encode_each(self, waveforms: Sequence[np.ndarray], layers: Sequence[int] | None = None) -> list[Tensor]:
        """Hidden states [layer, time, dim] of each clip, in the order given; batches are formed by length inside."""
        chosen = list(range(self.layers)) if layers is None else list(layers)
        windows = [(i, window) for i, waveform in enumerate(waveforms) for window in self._windows(waveform)]
        lengths = [self._frames(window) for _, window in windows]
        batches = length_batches(lengths, batch_budget(self.budget_frames, self.device, lengths))
        states = several_at_once(
            lambda batch: self._encode_batch([windows[j][1] for j in batch], chosen),
            batches,
            most=self.most_at_once or at_once(self.device),
        )
        encoded = dict(zip(chain(*batches), chain(*states), strict=True))
        pieces: list[list[Tensor]] = [[] for _ in waveforms]
        for j, (i, _) in enumerate(windows):
            pieces[i].append(encoded[j])
        return [self._stitch(of_clip) for of_clip in pieces]

    def stretches(self, frames: int, *, later: bool = False) -> list[int]:
        """How many frames each window has given to a clip of so many (see `encode_each`).

        Args:
            frames: of the clip, or of a piece of a long recording.
            later: whether it is a piece that others precede; it begins in the middle of an overlap.
        """
        hop, head = self.window_frames - self.overlap_frames, self.overlap_frames // 2
        cut = head if later else 0
        count = 1 + max(0, -(-(frames + cut - self.window_frames) // hop))
        borders = [0, *(k * hop + head - cut for k in range(1, count)), frames]
        return [end - begin for begin, end in pairwise(borders)]

    @abstractmethod
    def _encode_batch(self, waveforms: list[np.ndarray], layers: list[int]) -> list[Tensor]:
        """Hidden states [layer, time, dim] of waveforms no longer than a window."""

    def _frames(self, waveform: np.ndarray) -> int:
        return max(1, round(len(waveform) / self.sample_rate * self.frame_rate))

    def _windows(self, waveform: np.ndarray) -> list[np.ndarray]:
        return self._cut.of(waveform)

    @property
    def _cut(self) -> Windows:
        return Windows(self.window_frames, self.overlap_frames, round(self.sample_rate / self.frame_rate))

    def _stitch(self, windows: list[Tensor]) -> Tensor:
        """Join overlapping windows frame by frame, in the middle of each overlap."""
        kept = self._cut.kept(len(windows))
        trimmed = [state[:, own] for state, own in zip(windows, kept, strict=True)]
        return torch.cat(trimmed, dim=1) if len(trimmed) > 1 else trimmed[0]
