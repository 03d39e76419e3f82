"""Overlapping windows over a long clip, and which frames of each are kept; for tensors and arrays alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Windows:
    """Windows of so many frames, each overlapping the next.

    Attributes:
        frames, overlap: of a window, frames.
        step: samples of a frame.

    >>> windows = Windows(frames=4, overlap=2, step=10)
    >>> [len(window) for window in windows.of(list(range(70)))]
    [40, 40, 30]
    >>> [list(range(4)[kept]) for kept in windows.kept(3)]
    [[0, 1, 2], [1, 2], [1, 2, 3]]
    """

    frames: int
    overlap: int
    step: int

    def of(self, samples: Any) -> list[Any]:
        """The windows of samples [time], in order; one where they fit into it."""
        length, hop = self.frames * self.step, (self.frames - self.overlap) * self.step
        count = 1 + max(0, -(-(len(samples) - length) // hop))
        return [samples[k * hop : k * hop + length] for k in range(count)]

    def kept(self, count: int) -> Sequence[slice]:
        """The frames of each of so many windows that make the whole: windows give way in the middle of an overlap."""
        hop, head, last = self.frames - self.overlap, self.overlap // 2, count - 1
        return [slice(head if k else 0, hop + head if k < last else None) for k in range(count)]
