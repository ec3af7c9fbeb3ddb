"""Exact distances of pairs of rows, and the nearest of each query by (distance, row)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from fewlabels.graph.threads import in_threads
from fewlabels.interrupts import Interrupts
from fewlabels.progress import Verbose, show_progress

Ints = NDArray[np.int64]
# Candidates looked at together: some 120 bytes each.
MOST_PAIRS = 500_000


@dataclass(frozen=True)
class Neighbors:
    """The k nearest rows of each query, nearest first.

    Attributes
    ----------
    index : (Q, k) int64 rows of x
    distance : (Q, k) float64, Euclidean (between rows of length 1 for the cosine metric)
    recall : share of the true neighbors among the found, on a sample of queries; 1 for exact search
    search : "exact", "k-d tree" or the approximate index
    """

    index: Ints
    distance: NDArray[np.float64]
    recall: float
    search: str


def squared(a: Any, b: Any) -> NDArray[np.float64]:
    """(M,) squared distance of row i of `a` from row i of `b`: bit for bit symmetric, and 0 for equal rows."""
    difference = a - b
    if issparse(difference):
        difference.sort_indices()
        return np.asarray((difference * difference).sum(axis=1), dtype=np.float64).ravel()
    out: NDArray[np.float64] = np.add.reduce(np.square(difference, out=difference), axis=1)
    return out


def ranked(x: Any, queries: Any, query: Ints, row: Ints, k: int) -> tuple[Ints, NDArray[np.float64]]:
    """The k nearest of each query among candidates, (Q, k) rows and distances; equally near ones by row.

    Parameters
    ----------
    query, row : the candidate pairs, `query` ascending, at least k for each query
    """
    size = max(1, 400_000 // x.shape[1])  # what fits a processor's cache: 2.5 times as quick as 32 MB
    far = np.empty(len(query))
    for a in range(0, len(query), size):
        far[a : a + size] = squared(x[row[a : a + size]], queries[query[a : a + size]])
    order = np.lexsort((row, far, query))
    first = np.searchsorted(query, np.arange(queries.shape[0]))
    take = order[first[:, None] + np.arange(k)]
    return row[take], np.sqrt(far[take])


class Search:
    """Exact search among the rows `x`: `candidates` of one block of queries after another, then `ranked`.

    `k` counts the query itself where it is one of the rows.
    """

    x: Any
    k: int
    block: int
    block_scores: int

    @staticmethod
    def bytes_per_score(n: int, k: int) -> float:
        """What a block takes for each of its scores."""
        raise NotImplementedError

    def candidates(self, queries: Any) -> tuple[Ints, Ints] | None:
        """Pairs (query, row of x), sorted by query, among them every one of the k nearest of each query.

        None if these are `too_many` for the memory they would take.
        """
        raise NotImplementedError

    def too_many(self, n_pairs: int, n_queries: int) -> bool:
        """Whether fewer queries should be looked at together: rows that are equal are all candidates of each other."""
        return n_queries > 1 and n_pairs > max(MOST_PAIRS, 4 * self.k * n_queries)

    def nearest(
        self, queries: Any, rows: Ints, own: bool, verbose: Verbose = False
    ) -> tuple[Ints, NDArray[np.float64]]:
        """Neighbors of ``queries[rows]``; `own`: queries are x, and none is its own neighbor."""
        n, k = len(rows), self.k - own
        tasks = [(queries, rows, own, a) for a in range(0, n, self.block)]
        each = self.block * self.x.shape[0] * self.bytes_per_score(self.x.shape[0], self.k)
        index, distance = np.empty((n, k), dtype=np.int64), np.empty((n, k))
        with Interrupts() as signals, show_progress(verbose, "neighbors", 0, n, "row") as progress:
            for a, near, far in in_threads(self._block, tasks, each):
                index[a : a + len(near)], distance[a : a + len(near)] = near, far
                progress.update(a + len(near))
                if signals.caught:
                    signals.stop(f"stopped while looking for neighbors, {a} of {n} rows done")
        return index, distance

    def _block(self, task: tuple[Any, Ints, bool, int]) -> tuple[int, Ints, NDArray[np.float64]]:
        queries, rows, own, a = task
        return a, *self._ranked(queries, rows[a : a + self.block], own)

    def _ranked(self, queries: Any, part: Ints, own: bool) -> tuple[Ints, NDArray[np.float64]]:
        found = self.candidates(queries[part])
        if found is None:
            halves = [self._ranked(queries, some, own) for some in np.array_split(part, 2)]
            return np.concatenate([index for index, _ in halves]), np.concatenate([far for _, far in halves])
        query, row = found
        if own:
            other = row != part[query]
            query, row = query[other], row[other]
        return ranked(self.x, queries[part], query, row, self.k - own)
