r"""Which rows can be among the nearest, from one low-precision matrix product and a bound on its error.

Nearest rows y of a row x have the largest score :math:`s = x^\top y - |y|^2 / 2`. A processor gives all scores
of a block of rows as one matrix product, in bfloat16 several times as fast as in float64. With
:math:`x = \hat x + e_x` and :math:`y = \hat y + e_y` the score of the rounded rows is off by at most

.. math:: |e_x||y| + |\hat x||e_y| + c\,(|\hat x||\hat y| + |y|^2/2) + u |\hat s|

where c covers the accumulation in float32 and u the rounding of the result. Rows are cut into groups; the k-th
largest of (a group's largest score - its error) is reached by k different rows, so a row whose score + error
is below it cannot be among the k nearest. All others are candidates, and exact distances decide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewlabels.graph.ranking import Search
from fewlabels.graph.rounding import BFloat16, Float32, Rounding, bfloat16_is_faster, chunks, pieces
from fewlabels.graph.threads import in_threads

# bfloat16 needs torch: worth its import and a timing only for products of more than about ten seconds in float32.
_LARGE = 1e12


class Products(Search):
    """Rows to be found, rounded once; `candidates` then answers one block of queries at a time."""

    # A block should stay near the processor's caches and never weigh on memory.
    block_scores = 32_000_000

    @staticmethod
    def bytes_per_score(n: int, k: int) -> float:
        """A score, and six bounds of each group."""
        return 4 + 24 / _group(n, k)

    def __init__(self, x: NDArray[np.float64], k: int, n_queries: int) -> None:
        self.x, self.k = x, k
        # any point among the rows will do; a mean could be dragged far away by one outlier
        self.center = np.median(x[:: max(1, len(x) // 1000)], axis=0)
        self.spread = np.linalg.norm(np.maximum(x.max(0), -x.min(0))) + np.linalg.norm(self.center)
        norms = np.concatenate(
            list(in_threads(lambda part: np.linalg.norm(self._centered(x[slice(*part)]), axis=1), list(chunks(x))))
        )
        self.scale = 1.0 / norms.max() if norms.max() > 0 else 1.0
        self.group = _group(len(x), k)
        self.columns = self._layout(norms)
        self.block = max(1, self.block_scores // len(self.columns))
        self.rounding: Rounding = Float32()
        if 2.0 * n_queries * x.size > _LARGE and bfloat16_is_faster(x.shape[1]):
            self.rounding = BFloat16()
        self._round_columns(x)

    def _centered(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x - self.center

    def _layout(self, norms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Column of the product -> row of x, -1 for padding. Groups hold rows of similar norm, so that one
        outlier does not widen the bound of every other row; members of a group are n / group columns apart,
        so that the largest of each group is a maximum of contiguous stretches."""
        padded = np.full(-(-len(norms) // self.group) * self.group, -1, dtype=np.int64)
        padded[: len(norms)] = np.argsort(norms, kind="stable")
        return padded.reshape(-1, self.group).T.ravel()

    def _round_columns(self, x: NDArray[np.float64]) -> None:
        n, width = len(self.columns), x.shape[1]
        self.rounded = self.rounding.empty(n, width + 3)
        rounded_norm, norm, error, half = (np.zeros(n) for _ in range(4))

        def work(part: tuple[int, int]) -> None:
            here = slice(*part)
            rows = self.columns[here]
            y = self._centered(x[rows]) * self.scale
            y[rows < 0] = 0.0
            near, rounded_norm[here], error[here] = self._round(y)
            norm[here] = np.linalg.norm(y, axis=1)
            half[here] = (y * y).sum(1) / 2
            # -|y|^2/2 in three pieces, since one bfloat16 holds eight bits; padding never comes near
            parts = pieces(self.rounding, np.where(rows < 0, 1e30, half[here]))
            self.rounded[here] = self.rounding.cast(np.concatenate([near, -parts], 1))

        list(in_threads(work, list(chunks(x, n))))
        # the bound of a group of columns is |e_x| by_error + |x^| by_norm + fixed
        c = 2.0 * (width + 16) * 2.0**-24
        of_groups = [v.reshape(self.group, -1).max(0) for v in (norm, error, rounded_norm, half)]
        self.by_error = of_groups[0].astype(np.float32)
        self.by_norm = (of_groups[1] + c * of_groups[2]).astype(np.float32)
        self.fixed = (2 * c * of_groups[3] + 1e-30).astype(np.float32)

    def _round(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Rounded rows, their norms, and the norms of what rounding (and centering) took away."""
        near = self.rounding.values(y)
        error = np.linalg.norm(y - near, axis=1) + 2.0**-52 * (1.0 + self.spread * self.scale)
        return near, np.linalg.norm(near, axis=1), error

    def bounded(self, queries: NDArray[np.float64]) -> tuple[Any, NDArray[np.float32]]:
        """Scores (columns, Q), and (Q, groups) by how much they may be off before their own rounding.

        The bounds are float32, whose rounding the factor 1.01 covers many times over: they are all but a memory's
        speed of reading them.
        """
        centered = self._centered(queries) * self.scale
        # a query far outside the data is halved until its norm is at most 1, and its scores with it
        far = 2.0 ** np.ceil(np.log2(np.maximum(1.0, np.linalg.norm(centered, axis=1))))[:, None]
        near, norm, error = self._round(centered / far)
        bound = np.outer(error.astype(np.float32), self.by_error)
        bound += np.outer(norm.astype(np.float32), self.by_norm)
        bound += self.fixed
        # the last term: exact distances, too, are rounded
        with np.errstate(over="ignore"):  # infinite for a query at 1e300: then every row is a candidate
            bound += ((queries.shape[1] + 16) * 2.0**-50 * far).astype(np.float32)
        bound *= 1.01
        return self.rounding.scores(np.concatenate([near, np.tile(1 / far, 3)], 1), self.rounded), bound

    def off(self, scores: NDArray[np.float32], bound: NDArray[np.float32]) -> NDArray[np.float32]:
        """By how much scores may be off, their own rounding and that of these sums in float32 included."""
        out: NDArray[np.float32] = np.abs(scores)
        out *= np.float32(1.01 * self.rounding.unit_out + 2.0**-20)
        out += bound
        return out

    def candidates(self, queries: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Pairs (query, row of x), sorted by query, among them every one of the k nearest of each query."""
        scores, bound = self.bounded(queries)
        top = self.rounding.maxima(scores, self.group).T
        off = self.off(top, bound)
        enough = np.partition(top - off, -self.k, axis=1)[:, -self.k]
        off += top
        enough_groups = off >= enough[:, None]
        if self.too_many(int(np.count_nonzero(enough_groups)), len(queries)):
            return None
        query, group = np.nonzero(enough_groups)
        members = self.rounding.members(scores, self.group, query, group)
        near_enough = members + self.off(members, bound[query, group]) >= enough[query]
        if self.too_many(int(np.count_nonzero(near_enough)), len(queries)):
            return None
        member, hit = np.nonzero(near_enough)
        rows = self.columns[member * (len(self.columns) // self.group) + group[hit]]
        keep = np.flatnonzero(rows >= 0)
        keep = keep[np.argsort(query[hit[keep]], kind="stable")]
        return query[hit[keep]], rows[keep]


def _group(n: int, k: int) -> int:
    """Rows of a group, of which each is looked at as one before its rows are."""
    return int(np.clip(n // (8 * k), 1, 32))
