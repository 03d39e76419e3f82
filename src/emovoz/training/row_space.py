"""The space that the rows of a matrix span: with more features than clips, all that a linear model can make use of."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RowSpace:
    """Principal axes of vectors [clips, dim], of no more dimensions than there are clips or features.

    A linear model with an L2 penalty and a free bias lies in this space: its weights have no use for a direction in
    which no clip differs from another. Fitted to the coordinates and mapped back, it is the same model.

    Attributes:
        mean: of the vectors [dim].
        coordinates: of each vector along the axes, from the mean [clips, rank].
        mix: with few clips, how the axes are mixed of their vectors [rank, clips]; else the axes [rank, dim].
        centred: with few clips, their vectors from the mean [clips, dim]; the axes are not worth their multiplication.
    """

    mean: np.ndarray
    coordinates: np.ndarray
    mix: np.ndarray
    centred: np.ndarray | None = None

    @classmethod
    def of(cls, vectors: np.ndarray) -> "RowSpace":
        """The space of vectors [clips, dim], in float64.

        >>> space = RowSpace.of(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
        >>> space.axes.shape, bool(np.allclose(space.coordinates @ space.axes + space.mean, [[1, 2, 3], [3, 2, 1]]))
        ((1, 3), True)
        """
        mean = vectors.mean(0, dtype=np.float64)
        centred = vectors - mean
        wide = centred.shape[1] > centred.shape[0]
        # the smaller of the two products has all the axes, and is many times faster to take apart than the matrix
        squares, vectors_of = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
        real = squares > squares[-1] * max(len(squares), 2) * np.finfo(np.float64).eps
        lengths, vectors_of = np.sqrt(squares[real]), vectors_of[:, real]
        if wide:
            return cls(mean, vectors_of * lengths, (vectors_of / lengths).T, centred)
        return cls(mean, centred @ vectors_of, vectors_of.T)

    @property
    def axes(self) -> np.ndarray:
        """Orthonormal rows [rank, dim], those of the largest variance last."""
        return self.mix if self.centred is None else self.mix @ self.centred

    @property
    def squared_length(self) -> float:
        """Of a vector from the mean, the mean over the clips."""
        return float((self.coordinates**2).sum(1).mean())

    def in_features(self, weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights [outputs, rank] and bias [outputs] of a model of the coordinates, as those of one of the vectors."""
        weights = weights @ self.mix
        weights = weights if self.centred is None else weights @ self.centred
        return weights, bias - weights @ self.mean
