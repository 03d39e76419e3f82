"""Vectors that are mostly zero but for their mean, which would fill them."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator


class SparseRows(LinearOperator):
    """Vectors [clips, dim] from their mean, in float64; only what is not zero before is kept and multiplied.

    Args:
        values: the vectors, mostly zero.
        origin: from which a model of them is to see them [dim]; by default zero.

    >>> rows = SparseRows(np.array([[0.0, 2.0], [1.0, 0.0]]))
    >>> rows @ np.eye(2)
    array([[-0.5,  1. ],
           [ 0.5, -1. ]])
    """

    def __init__(self, values: np.ndarray, origin: np.ndarray | None = None) -> None:
        self.origin = np.zeros(values.shape[1]) if origin is None else origin
        self.values = csr_array(values).astype(np.float64)
        self.columns = csr_array(self.values.T)
        self.mean = self.values.mean(0)
        super().__init__(np.float64, self.values.shape)

    def _matmat(self, X: Any) -> Any:  # noqa: N803
        return self.values @ X - self.mean @ X

    def _rmatmat(self, X: Any) -> Any:  # noqa: N803
        return self.columns @ X - np.outer(self.mean, X.sum(0))

    @property
    def squared_length(self) -> float:
        """Of a vector from the mean, the mean over the clips."""
        return float(self.weighted_squares(np.full(self.shape[0], 1 / self.shape[0])).sum())

    def weighted_squares(self, weights: np.ndarray) -> np.ndarray:
        """Sum of the squares in each column [dim], every clip by its weight [clips]."""
        squares = weights @ self.values.power(2) - 2 * self.mean * (weights @ self.values)
        return np.maximum(squares + weights.sum() * self.mean**2, 0.0)

    def in_features(self, weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights [outputs, dim] and bias [outputs] of a model of what is multiplied, as it sees the vectors."""
        return weights, bias - weights @ (self.mean - self.origin)
