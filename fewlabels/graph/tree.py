"""Exact neighbors from a k-d tree, where there are few columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fewlabels.graph.products import Products
from fewlabels.graph.ranking import Neighbors, ranked

# How many neighbors beyond k the tree gives, to see whether rows equally near are missing.
_SPARE = 8
# Rows searched together: what the tree gives and the candidates of all rows would be ten times the result.
_BLOCK = 20_000


def by_tree(x: NDArray[np.float64], k: int, queries: NDArray[np.float64] | None = None) -> Neighbors:
    """As `fewlabels.graph.neighbors.nearest`. The tree orders equally near rows as it likes: where such a tie
    may reach beyond its list, the row is searched again by `Products`."""
    own = queries is None
    queries = x if queries is None else queries
    tree = cKDTree(x)
    index, distance = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k))
    tied = np.empty(len(queries), dtype=bool)
    for a in range(0, len(queries), _BLOCK):
        some = np.arange(a, min(a + _BLOCK, len(queries)))
        far, near = tree.query(queries[some], k + own + _SPARE, workers=-1)
        tied[some] = far[:, -1] <= far[:, k + own - 1] * (1 + 1e-9)
        near, rows = near[~tied[some]], some[~tied[some]]
        query, place = np.nonzero(near != rows[:, None]) if own else np.nonzero(near >= 0)
        index[rows], distance[rows] = ranked(x, queries[rows], query, near[query, place], k)
    rows = np.flatnonzero(tied)
    if len(rows):
        index[rows], distance[rows] = Products(x, k + own, len(rows)).nearest(queries, rows, own)
    return Neighbors(index, distance, 1.0, "k-d tree")
