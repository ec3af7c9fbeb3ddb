"""The candidates of `fewlabels.graph.products` for sparse rows, whose products SciPy takes in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fewlabels.graph.ranking import Search


class SparseProducts(Search):
    """All products of a block of sparse queries with the sparse rows x."""

    block_scores = 8_000_000

    @staticmethod
    def bytes_per_score(n: int, k: int) -> float:
        """A score, its place in the sparse product, a copy to find the k-th largest in, and whether it is enough."""
        return 30

    def __init__(self, x: csr_array, k: int) -> None:
        self.x, self.k, self.columns = x, k, csr_array(x.T)
        self.half = np.asarray((x * x).sum(axis=1)).ravel() / 2
        self.block = max(1, self.block_scores // x.shape[0])

    def candidates(self, queries: csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Pairs (query, row of x), sorted by query, among them every one of the k nearest of each query."""
        scores = (queries @ self.columns).toarray() - self.half
        norm = np.asarray((queries * queries).sum(axis=1)).ravel()
        # far more than the rounding of float64, far less than a distance between neighbors
        bound = 1e-11 * (norm + self.half.max()) + 1e-300
        enough = np.partition(scores, -self.k, axis=1)[:, -self.k] - 2 * bound
        near = scores >= enough[:, None]
        if self.too_many(int(np.count_nonzero(near)), queries.shape[0]):
            return None
        query, row = np.nonzero(near)
        return query, row
