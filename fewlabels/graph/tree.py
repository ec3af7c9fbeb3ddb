"""Exact neighbors from a k-d tree, where there are few columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fewlabels.graph.products import Products
from fewlabels.graph.ranking import Neighbors, ranked

# How many neighbors beyond k the tree gives, to see whether rows equally near are missing.
_SPARE = 8


def by_tree(x: NDArray[np.float64], k: int, queries: NDArray[np.float64] | None = None) -> Neighbors:
    """As `fewlabels.graph.neighbors.nearest`. The tree orders equally near rows as it likes: where such a tie
    may reach beyond its list, the row is searched again by `Products`."""
    own = queries is None
    queries = x if queries is None else queries
    far, near = cKDTree(x).query(queries, k + own + _SPARE, workers=-1)
    index, distance = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k))
    tied = far[:, -1] <= far[:, k + own - 1] * (1 + 1e-9)
    rows = np.flatnonzero(~tied)
    query, place = np.nonzero(near[rows] != rows[:, None]) if own else np.nonzero(near[rows] >= 0)
    index[rows], distance[rows] = ranked(x, queries[rows], query, near[rows][query, place], k)
    rows = np.flatnonzero(tied)
    if len(rows):
        index[rows], distance[rows] = Products(x, k + own, len(rows)).nearest(queries, rows, own)
    return Neighbors(index, distance, 1.0, "k-d tree")
