r"""Features propagated before training. Wu et al., "Simplifying Graph Convolutional Networks", ICML 2019.

.. math:: X_{k+1} = (1 - \alpha)\, S X_k + \alpha X_0, \qquad S = \tilde D^{-1/2} (A + I) \tilde D^{-1/2}

With :math:`\alpha = 0` the features of SGC; above 0 those of a personalized PageRank (Gasteiger et al., ICLR 2019),
which with a linear layer on top is APPNP with a linear predictor. A few columns at a time, so that beside the result
only the graph is in memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array, issparse

from fewlabels.data.memory import check_memory

_COLUMNS = 16


def with_loops(weights: csr_array) -> csr_array:
    """A + I, columns sorted."""
    out = csr_array(weights + eye_array(weights.shape[0], format="csr"))
    out.sort_indices()
    return out


def propagate(x: Any, adjacency: csr_array, hops: int, alpha: float) -> NDArray[np.float32]:
    """X_K (N, D) of features x (N, D), dense or sparse, over A + I.

    Raises
    ------
    ResourceError : the dense result needs more than half of the free memory
    """
    check_memory(4.0 * x.shape[0] * x.shape[1], f"propagated features {x.shape}", "Reduce the columns: TruncatedSVD.")
    half = diags_array((1 / np.sqrt(adjacency.sum(axis=1))).astype(np.float32))
    spread = csr_array(half @ adjacency.astype(np.float32) @ half)
    out = np.empty(x.shape, dtype=np.float32)
    by_column = x.tocsc() if issparse(x) else x
    for a in range(0, x.shape[1], _COLUMNS):
        part = by_column[:, a : a + _COLUMNS]
        start = h = np.ascontiguousarray(part.toarray() if issparse(part) else part, dtype=np.float32)
        for _ in range(hops):
            h = spread @ h if alpha == 0 else np.float32(1 - alpha) * (spread @ h) + np.float32(alpha) * start
        out[:, a : a + _COLUMNS] = h
    return out
