"""Approximate neighbors above about 100,000 rows, by faiss (optional: pip install 'fewlabels[ann]').

k-means puts the rows into about 4 sqrt(N) lists; a query looks into the lists nearest to it. How many lists is
doubled until, on a sample of queries, 90 % of the true neighbors are found. That recall is measured against
exact search and returned. The distances of what is found are exact, in float64.
Rows without structure (all columns independent) make it visit many lists: benchmarks/graph.py.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.graph.products import Products
from fewlabels.graph.ranking import Ints, Neighbors, ranked
from fewlabels.interrupts import Interrupts
from fewlabels.progress import Verbose, show_progress

_RECALL = 0.9
_SAMPLE = 1000
_BLOCK = 20_000


def faiss_is_here() -> bool:
    """Whether faiss is installed."""
    return find_spec("faiss") is not None


def by_index(
    x: NDArray[np.float64], k: int, queries: NDArray[np.float64] | None, seed: int, verbose: Verbose = False
) -> Neighbors:
    """As `fewlabels.graph.neighbors.nearest`."""
    lists = Lists(x, k, queries is None, seed)
    queries = x if queries is None else queries
    n = len(queries)
    recall = lists.tune(queries, np.random.default_rng(seed).choice(n, min(_SAMPLE, n), replace=False))
    index, distance = np.empty((n, k), dtype=np.int64), np.empty((n, k))
    with Interrupts() as signals, show_progress(verbose, "neighbors", 0, n, "row") as progress:
        for a in range(0, n, _BLOCK):
            rows = np.arange(a, min(a + _BLOCK, n))
            index[rows], distance[rows] = lists.find(queries, rows)
            progress.update(int(rows[-1]) + 1)
            if signals.caught:
                signals.stop(f"stopped while looking for neighbors, {a} of {n} rows done")
    return Neighbors(index, distance, recall, f"faiss, {lists.index.nprobe} of {lists.index.nlist} lists")


class Lists:
    """Rows in lists around the centers of k-means."""

    def __init__(self, x: NDArray[np.float64], k: int, own: bool, seed: int) -> None:
        import faiss  # type: ignore[import-not-found, unused-ignore]

        self.x, self.k, self.own = x, k, own
        self.center = x.mean(0)
        self.scale = float(np.abs(x - self.center).max()) or 1.0
        rows = self._single(x)
        coarse = faiss.IndexFlatL2(x.shape[1])
        self.index: Any = faiss.IndexIVFFlat(coarse, x.shape[1], int(4 * len(x) ** 0.5))
        self.index.cp.seed = seed % 2**31
        # fewer rows and rounds than faiss's defaults: the lists need not be the best ones
        self.index.cp.max_points_per_centroid = 64
        self.index.train(rows)
        self.index.add(rows)

    def _single(self, x: NDArray[np.float64]) -> NDArray[np.float32]:
        out: NDArray[np.float32] = ((x - self.center) / self.scale).astype(np.float32)
        return out

    def tune(self, queries: NDArray[np.float64], sample: Ints) -> float:
        """Visit more lists until the recall on the sample is enough; return it."""
        true = self._exactly(queries, sample)[1]
        self.index.nprobe, recall = 4, 0.0
        while recall < _RECALL and self.index.nprobe < self.index.nlist:
            self.index.nprobe = min(2 * self.index.nprobe, self.index.nlist)
            # a row as near as the k-th true neighbor is as good as it
            recall = float((self.find(queries, sample)[1] <= true[:, -1:]).mean())
        return recall

    def find(self, queries: NDArray[np.float64], rows: Ints) -> tuple[Ints, NDArray[np.float64]]:
        """Neighbors of these queries. Where the visited lists hold too few rows, the search is exact."""
        _, near = self.index.search(self._single(queries[rows]), self.k + self.own)
        keep = near >= 0
        if self.own:
            keep &= near != rows[:, None]
        index, distance = np.empty((len(rows), self.k), dtype=np.int64), np.empty((len(rows), self.k))
        whole = keep.sum(1) >= self.k
        query, place = np.nonzero(keep[whole])
        index[whole], distance[whole] = ranked(self.x, queries[rows[whole]], query, near[whole][query, place], self.k)
        if not whole.all():
            index[~whole], distance[~whole] = self._exactly(queries, rows[~whole])
        return index, distance

    def _exactly(self, queries: NDArray[np.float64], rows: Ints) -> tuple[Ints, NDArray[np.float64]]:
        search = Products(self.x, self.k + self.own, len(rows))
        return search.nearest(queries, rows, self.own)
