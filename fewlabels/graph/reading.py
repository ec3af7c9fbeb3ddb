"""A graph as the user has it -> one symmetric sparse matrix, checked once."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, issparse

from fewlabels.errors import InputError

_FORMS = (
    "a SciPy sparse adjacency, an edge list (2, E) or (E, 2) of node numbers, a networkx graph or a PyTorch Geometric "
    "Data object"
)
_LISTS = "a SciPy sparse array (M, N + M) or an edge list (2, E) or (E, 2) of node numbers"


def read_graph(graph: Any, n_nodes: int) -> csr_array:
    """Symmetric weights (N, N), no edge of a node to itself, columns sorted.

    Parameters
    ----------
    graph : SciPy sparse (N, N), whose entries are weights; an edge list (2, E) or (E, 2), NumPy, list or
        torch, each edge in one direction or both; a networkx graph (weights from "weight"), whose node i is row i if
        its nodes are the numbers 0 to N - 1, and else the i-th of `graph.nodes`; a PyTorch Geometric Data object
        (edge_index and, if there, edge_weight)
    n_nodes : rows of X

    Warns
    -----
    UserWarning : a sparse matrix is not symmetric (then the larger weight goes both ways), or nodes have edges to
        themselves (dropped: every network here listens to the node itself anyway)

    Raises
    ------
    InputError : a graph of another form or size, negative weights, or node numbers that are not there
    """
    weights = _as_matrix(graph, n_nodes)
    if weights.shape != (n_nodes, n_nodes):
        raise InputError(
            f"graph has shape {weights.shape}, but X has {n_nodes} rows; expected one row and one column for each row "
            "of X, in the same order."
        )
    weights = without_loops(checked(weights))
    skew = csr_array(abs(weights - weights.T))
    if issparse(graph) and skew.count_nonzero():
        row, column = (int(where[0]) for where in skew.nonzero())
        warnings.warn(
            f"graph is not symmetric (first: row {row}, column {column}): every edge now goes both ways, with the "
            "larger of the two weights.",
            UserWarning,
            stacklevel=3,
        )
    both = csr_array(weights.maximum(weights.T))
    both.sort_indices()
    return both


def read_edges(edges: Any, n_known: int, n_new: int) -> csr_array:
    """What new nodes listen to: (M, N + M), their edges to the N nodes of fit and, both ways, to each other.

    Parameters
    ----------
    edges : SciPy sparse (M, N + M); or an edge list as `read_graph` takes it, in which the new nodes are numbered from
        N on, in the order of their rows

    Raises
    ------
    InputError : as in `read_graph`; an edge list with an edge between two nodes of fit
    """
    n = n_known + n_new
    if issparse(edges):
        if edges.shape != (n_new, n):
            raise InputError(
                f"edges has shape {edges.shape}; expected ({n_new}, {n}): a row for each new node, a column for each "
                f"of the {n_known} nodes of fit and then for each new node."
            )
        weights = checked(_real(edges, "edges"), "edges")
    else:
        pairs = _pairs(edges, "edges", n_known, n)
        old = np.flatnonzero((pairs < n_known).all(0))
        if len(old):
            raise InputError(
                f"edges[{old[0]}] joins nodes {pairs[0, old[0]]} and {pairs[1, old[0]]}, which fit knew both. Give the "
                f"edges of new nodes alone; new nodes are numbered from {n_known} on."
            )
        whole = _from_pairs(pairs, n)
        weights = csr_array(whole.maximum(whole.T))[n_known:]
    known, among = weights[:, :n_known], weights[:, n_known:]
    among = without_loops(csr_array(among))
    from scipy.sparse import hstack

    return csr_array(hstack([known, among.maximum(among.T)], format="csr"))


def checked(weights: csr_array, name: str = "graph") -> csr_array:
    """Weights that are finite and not negative; repeated entries are added, zeros dropped."""
    weights.sum_duplicates()
    for bad, what in ((~np.isfinite(weights.data), "NaN or infinite"), (weights.data < 0, "negative")):
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            row = int(np.searchsorted(weights.indptr, first, side="right")) - 1
            raise InputError(
                f"{name} has {int(bad.sum())} {what} weights (first: row {row}, column {int(weights.indices[first])}). "
                "Weights are similarities: 0 (no edge) or more. Drop these edges or mend them."
            )
    weights.data[weights.data < np.finfo(np.float32).tiny] = 0.0  # which float32 could not tell from no edge
    weights.eliminate_zeros()
    return weights


def without_loops(weights: csr_array) -> csr_array:
    loops = np.flatnonzero(weights.diagonal())
    if len(loops):
        warnings.warn(
            f"graph has {len(loops)} edges from a node to itself (first: node {loops[0]}): dropped, for every node "
            "listens to itself with weight 1.",
            UserWarning,
            stacklevel=4,
        )
        weights.setdiag(0.0)
        weights.eliminate_zeros()
    return weights


def _as_matrix(graph: Any, n: int) -> csr_array:
    if issparse(graph):
        return _real(graph, "graph")
    home = type(graph).__module__.partition(".")[0]
    if home == "networkx":
        return _from_networkx(graph, n)
    if home == "torch_geometric":
        return _from_pairs(_pairs(graph.edge_index, "graph"), n, graph.edge_weight)
    return _from_pairs(_pairs(graph, "graph"), n)


def _real(graph: Any, name: str) -> csr_array:
    if graph.dtype.kind == "c":
        raise InputError(f"{name} has complex weights. Weights are similarities: 0 (no edge) or more. Use abs({name}).")
    return csr_array(graph, dtype=np.float64, copy=True)


def _from_networkx(graph: Any, n: int) -> csr_array:
    import networkx

    names = set(graph.nodes)
    order = range(n) if names == set(range(n)) else list(graph.nodes)
    if len(names) != n:
        raise InputError(f"graph has {len(names)} nodes, but X has {n} rows; expected one row for each node.")
    try:
        return csr_array(networkx.to_scipy_sparse_array(graph, nodelist=order, dtype=np.float64, format="csr"))
    except (TypeError, ValueError) as error:
        raise InputError(f'graph has an edge whose "weight" is no number: {error}. Mend or remove it.') from error


def _pairs(edges: Any, name: str, n_known: int = 0, n: int = 0) -> NDArray[np.int64]:
    """(2, E) node numbers. `n_known` of `n` nodes may not be joined among themselves, which tells two edges apart."""
    if isinstance(edges, np.ma.MaskedArray) and np.ma.getmaskarray(edges).any():
        raise InputError(f"{name} is a masked array with masked entries. Leave those edges out.")
    try:
        pairs = np.asarray(edges)
    except ValueError:
        pairs = np.empty(0, dtype=object)
    except (RuntimeError, TypeError) as error:  # a tensor that requires gradients, or lies on another device
        raise InputError(f"{name} cannot become an array: {error}") from None
    if pairs.size == 0 and pairs.ndim <= 2 and pairs.dtype.kind != "O":
        return np.empty((2, 0), dtype=np.int64)
    if pairs.ndim != 2 or 2 not in pairs.shape or pairs.dtype.kind not in "iuf":
        square = pairs.ndim == 2 and pairs.shape[0] == pairs.shape[1]
        mend = " A dense adjacency: scipy.sparse.csr_array(graph)." if square else ""
        raise InputError(
            f"{name} is a {type(edges).__name__} of shape {pairs.shape} and type {pairs.dtype}; expected "
            f"{_FORMS if name == 'graph' else _LISTS}.{mend}"
        )
    odd = np.argwhere(~((np.abs(pairs) < 2.0**53) & (pairs == np.rint(pairs))))
    if len(odd):
        raise InputError(
            f"{name} has {len(odd)} node numbers that are not whole, or beyond any row (first: {pairs[tuple(odd[0])]})."
            " Edges join rows of X, numbered from 0."
        )
    pairs = pairs.astype(np.int64)
    if pairs.shape == (2, 2) and isinstance(edges, np.ndarray | list | tuple):
        # one of the two readings may have an edge that cannot be
        possible = [p for p in (pairs, pairs.T) if (p.max(0) >= n_known).all() and p.max() < n]
        if n and (len(possible) < 2 or np.array_equal(pairs, pairs.T)):
            return [*possible, pairs.T][0]
        raise InputError(
            f"{name} of shape (2, 2) could be an edge list (2, E) or (E, 2). Give both directions of each edge, or a "
            "SciPy sparse adjacency."
        )
    return pairs if pairs.shape[0] == 2 else pairs.T


def _from_pairs(pairs: NDArray[np.int64], n: int, weight: Any = None) -> csr_array:
    beyond = np.flatnonzero(((pairs < 0) | (pairs >= n)).any(0))
    if len(beyond):
        raise InputError(
            f"edge {beyond[0]} joins nodes {pairs[0, beyond[0]]} and {pairs[1, beyond[0]]}, but there are {n} nodes, "
            f"numbered 0 to {n - 1}."
        )
    if pairs.shape[1] and (pairs[0] == pairs[1]).all():
        raise InputError(
            f"every one of the {pairs.shape[1]} edges goes from a node to itself (first: node {pairs[0, 0]}). An edge "
            "list names two rows of X for each edge; a dense adjacency: scipy.sparse.csr_array(graph)."
        )
    values = np.ones(pairs.shape[1]) if weight is None else np.asarray(weight, dtype=np.float64)
    matrix = csr_array(coo_array((values, (pairs[0], pairs[1])), shape=(n, n)))
    if weight is None:
        matrix.data[:] = 1.0  # an edge that is listed twice is one edge
    return matrix
