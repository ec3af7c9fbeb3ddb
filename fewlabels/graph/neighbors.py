"""The k nearest rows of each row: exact up to about 100,000 rows, by an approximate index above.

Distances are computed in float64 from differences of coordinates, and equal ones are ordered by row index, so
the result is the same at any number of threads and any size of blocks. `fewlabels.graph.products` finds the
candidates; a k-d tree does where there are few columns.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array, issparse

from fewlabels.data.memory import check_memory, held_bytes
from fewlabels.errors import OptionError
from fewlabels.graph.approximate import by_index, faiss_is_here
from fewlabels.graph.products import Products
from fewlabels.graph.ranking import Neighbors, Search
from fewlabels.graph.sparse_products import SparseProducts
from fewlabels.graph.threads import n_threads
from fewlabels.graph.tree import by_tree
from fewlabels.progress import Verbose

# With more rows and more queries than this, an approximate index is used where there is one.
EXACT = 100_000
MEND = "Use fewer rows or columns, or a smaller n_neighbors."
# A k-d tree visits most of its leaves when there are more columns; below 1,000 rows it gains nothing.
TREE_COLUMNS, TREE_ROWS = 8, 1000
# Scores per second of the exact search on two cores, for the warning only.
_PACE = 2e8


def prepare(x: Any, metric: str) -> Any:
    """Rows between which Euclidean distance orders neighbors as `metric` does.

    For "cosine" rows get length 1, since |x - y|^2 = 2 - 2 cos; a row of zeros stays at the origin.

    Raises
    ------
    OptionError : an unknown metric
    """
    if not isinstance(metric, str) or metric not in ("euclidean", "cosine"):
        raise OptionError(f"metric={metric!r}; expected 'euclidean' or 'cosine'.")
    if metric == "euclidean":
        return x
    # by the largest entry first: squares of huge or tiny numbers leave the range of float64
    top = abs(x).max(axis=1)
    x = _divided(x, top.toarray() if issparse(top) else top)
    return _divided(x, np.sqrt((x * x).sum(axis=1)))


def _divided(x: Any, length: Any) -> Any:
    """Rows of x over their length; rows of length 0 as they are."""
    factor = np.divide(1.0, length, out=np.zeros(length.shape), where=length > 0).reshape(-1, 1)
    return csr_array(x * factor) if issparse(x) else x * factor


def nearest(x: Any, k: int, queries: Any = None, *, seed: int = 0, verbose: Verbose = False) -> Neighbors:
    """The k nearest rows of x for each query, or for each row of x among the others.

    Parameters
    ----------
    x : (N, D) float64 or CSR, from `prepare`
    k : at most N, at most N - 1 without queries
    queries : (Q, D), of the same form; None: the rows of x, of which none is its own neighbor
    seed : of the approximate index and of the sample its recall is measured on
    verbose : whether to show progress

    Raises
    ------
    ResourceError : more than half of the free memory would be needed
    """
    own = queries is None
    n_queries = (x if own else queries).shape[0]
    check_memory(search_bytes(x, n_queries, k), f"the neighbors of {n_queries:,} rows", MEND)
    how, dense = _way(x, n_queries, k), not issparse(x)
    if how == "tree":
        return by_tree(x, k, queries)
    if how == "index":
        return by_index(x, k, queries, seed, verbose)
    if min(x.shape[0], n_queries) > EXACT:
        _warn_slow(x.shape[0], n_queries, dense)
    search = Products(x, k + own, n_queries) if dense else SparseProducts(x, k + own)
    return _exact(search, x if own else queries, own, verbose)


def _way(x: Any, n_queries: int, k: int) -> Literal["tree", "index", "products"]:
    if issparse(x):
        return "products"
    if x.shape[1] <= TREE_COLUMNS and len(x) > TREE_ROWS + k:
        return "tree"
    return "index" if min(len(x), n_queries) > EXACT and faiss_is_here() else "products"


def _exact(search: Search, queries: Any, own: bool, verbose: Verbose) -> Neighbors:
    index, distance = search.nearest(queries, np.arange(queries.shape[0]), own, verbose)
    return Neighbors(index, distance, 1.0, "exact")


def search_bytes(x: Any, n_queries: int, k: int) -> float:
    """What the search takes, and the graph made of what it finds.

    x rounded, in an index or transposed; 100 bytes for each neighbor: row, distance, an edge in both directions and
    its copies; the scores of a block in each thread.
    """
    n_scores, kind = x.shape[0] * n_queries, SparseProducts if issparse(x) else Products
    block = min(n_scores, kind.block_scores) * kind.bytes_per_score(x.shape[0], k)
    # rows that are tied in a tree, or looked at again after an index, take a block, too
    threads = n_threads(n_scores // kind.block_scores, block) if _way(x, n_queries, k) == "products" else 1
    size = 3 * held_bytes(x) if issparse(x) else held_bytes(x)
    return float(size + 100 * n_queries * k + block * threads)


def _warn_slow(n_rows: int, n_queries: int, dense: bool) -> None:
    minutes = n_rows * n_queries / _PACE / 60
    mend = (
        "pip install 'fewlabels[ann]'"
        if dense
        else "pip install 'fewlabels[ann]', and make the rows dense, e.g. by TruncatedSVD"
    )
    warnings.warn(
        f"exact neighbors of {n_queries:,} rows among {n_rows:,} may take {minutes:.0f} minutes or more. With faiss "
        f"they are approximate, of stated recall, and much quicker: {mend}.",
        UserWarning,
        stacklevel=5,
    )
