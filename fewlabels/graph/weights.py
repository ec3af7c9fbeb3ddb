r"""Weights of edges. Zelnik-Manor and Perona, "Self-Tuning Spectral Clustering", NeurIPS 2004.

.. math:: w_{ij} = \exp\left(-\frac{d_{ij}^2}{\sigma_i \sigma_j}\right), \qquad
          \sigma_i = d(x_i, \text{its k-th neighbor})

for j among the k nearest of i, or i among those of j. Where k rows are equal to row i, :math:`\sigma_i = 0`; the
other end's scale then stands in for it. No exponent goes below -30, since the weight of a row next to a very
tight cluster would else be 0 in floating point, and the row cut off from all its neighbors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from scipy.sparse.csgraph import connected_components

from fewlabels.errors import InputError
from fewlabels.graph.ranking import Neighbors

Floats = NDArray[np.float64]
_LEAST = 30.0


def exponents(distance: Floats, scale: Floats, other: Floats) -> Floats:
    """d^2 / (scale * other), between 0 and 30."""
    a = np.where(scale > 0, scale, other)
    b = np.where(other > 0, other, scale)
    # one ratio after the other: products of tiny or huge distances leave the range of float64
    ratio = [np.divide(distance, s, out=np.zeros(distance.shape), where=s > 0) for s in (a, b)]
    out: Floats = np.fmin(ratio[0] * ratio[1], _LEAST)
    return out


def edges(found: Neighbors) -> csr_array:
    """(N, N) symmetric weights of the graph in which i and j are joined if either is a neighbor of the other."""
    n, k = found.index.shape
    scale = found.distance[:, -1]
    power = exponents(found.distance, scale[:, None], scale[found.index])
    graph = csr_array((np.exp(-power).ravel(), found.index.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    graph.sort_indices()
    # both directions have the same weight, bit for bit
    return csr_array(graph.maximum(graph.T))


def shares(found: Neighbors, scale: Floats | None) -> Floats:
    """(Q, k) weights of new rows' neighbors, each row summing to 1. `scale`: (N,) of the training rows, or None."""
    own = found.distance[:, -1:]
    power = exponents(
        found.distance, own, np.broadcast_to(own, found.index.shape) if scale is None else scale[found.index]
    )
    weight = np.exp(power.min(1, keepdims=True) - power)
    out: Floats = weight / weight.sum(1, keepdims=True)
    return out


def check_affinity(affinity: Any, n_rows: int) -> csr_array:
    """The user's own weights as CSR, divided by the largest: no method here depends on their unit.

    Raises
    ------
    InputError : not sparse, not (N, N), or not symmetric, finite, non-negative and zero on the diagonal
    """
    if not issparse(affinity):
        raise InputError(
            f"affinity is a {type(affinity).__name__}; expected a SciPy sparse array: scipy.sparse.csr_array(affinity)."
        )
    if affinity.shape != (n_rows, n_rows):
        raise InputError(f"affinity has shape {affinity.shape}, but X has {n_rows} rows; expected one row and one "
                         "column for each row of X, in the same order.")  # fmt: skip
    graph = csr_array(affinity, dtype=np.float64, copy=True)
    graph.sum_duplicates()
    _no(graph, ~np.isfinite(graph.data), "weights that are NaN or infinite", "Drop these edges or mend them.")
    _no(graph, graph.data < 0, "negative weights", "Weights are similarities: 0 (no edge) or more.")
    # in units of the largest; what is 1e-100 of it could only make the solver's numbers underflow
    graph.data /= graph.data.max(initial=0.0) or 1.0
    graph.data[graph.data < 1e-100] = 0.0
    graph.eliminate_zeros()
    row = np.repeat(np.arange(n_rows), np.diff(graph.indptr))
    _no(graph, graph.indices == row, "edges from a row to itself", "Remove them: affinity.setdiag(0).")
    skew = csr_array(abs(graph - graph.T))
    _no(skew, skew.data > 0, "weights that differ from their mirror image",
        "Make it symmetric: affinity.maximum(affinity.T).")  # fmt: skip
    return graph


def _no(graph: csr_array, bad: NDArray[np.bool_], what: str, mend: str) -> None:
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        row = int(np.searchsorted(graph.indptr, first, side="right")) - 1
        raise InputError(
            f"affinity has {int(bad.sum())} {what} (first: row {row}, column {int(graph.indices[first])}). {mend}"
        )


def reach(graph: csr_array, labeled: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(N,) the component of each row, and whether that component holds a labeled row."""
    component = connected_components(graph, directed=False)[1].astype(np.int64)
    return component, np.isin(component, component[labeled])
