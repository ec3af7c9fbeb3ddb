"""Weak and strong views of a graph: some edges and some features left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fewlabels.augment.randomness import Draws
from fewlabels.errors import OptionError
from fewlabels.networks.sparse import Sparse, normalized


@dataclass(frozen=True)
class Graphs:
    """Edges and features dropped, drawn per edge and per column.

    An edge goes in both directions, and the rest is normalized anew (DropEdge: Rong et al., ICLR 2020). A feature goes
    for all nodes alike (as in GRACE: Zhu et al. 2020), and the others grow so that sums stay as they are on average.

    Parameters
    ----------
    edges, features : share of edges and of features that a weak view leaves out
    strong_edges, strong_features : the same for a strong view
    """

    edges: float = 0.1
    features: float = 0.1
    strong_edges: float = 0.4
    strong_features: float = 0.4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < 1:
                raise OptionError(f"Graphs: {name}={value!r} should be a share from 0 to below 1.")

    def weak(
        self, x: Tensor | Sparse, adjacency: Sparse, draws: tuple[int, int, int]
    ) -> tuple[Tensor | Sparse, Sparse]:
        """Drop `edges` and `features`.

        Parameters
        ----------
        x : features (N, D), dense or sparse
        adjacency : symmetric weights, each node's edge to itself included
        draws : seed, stream and step of the random numbers

        Returns
        -------
        the features left, and the normalized adjacency of the edges left, 0 where one was dropped
        """
        return _fewer(x, adjacency, self.edges, self.features, draws)

    def strong(
        self, x: Tensor | Sparse, adjacency: Sparse, draws: tuple[int, int, int]
    ) -> tuple[Tensor | Sparse, Sparse]:
        """Drop `strong_edges` and `strong_features`; parameters as in `weak`."""
        return _fewer(x, adjacency, self.strong_edges, self.strong_features, draws)


def _fewer(
    x: Tensor | Sparse, adjacency: Sparse, edges: float, features: float, draws: tuple[int, int, int]
) -> tuple[Tensor | Sparse, Sparse]:
    # two streams, so that edge 5 and feature 5 do not share their fate
    seed, stream, step = draws
    pattern = adjacency.pattern
    n_columns = x.pattern.shape[1] if isinstance(x, Sparse) else x.shape[1]
    columns = _kept(Draws(seed, 2 * stream, step, np.arange(n_columns)), features) / (1 - features)
    # the mirror image of entry e of a symmetric pattern is entry order_t[e]: both get the draw of the first
    pair = torch.minimum(torch.arange(len(pattern.column)), pattern.order_t).numpy()
    kept = _kept(Draws(seed, 2 * stream + 1, step, pair), edges)
    kept = torch.where(pattern.row == pattern.column, 1.0, kept)
    left = normalized(Sparse(pattern, adjacency.values * kept))
    if isinstance(x, Sparse):
        return x._replace(values=x.values * columns[x.pattern.column]), left
    return x * columns, left


def _kept(draws: Draws, share: float) -> Tensor:
    """1 where kept, 0 where not (n,)."""
    return (draws.uniform(0).squeeze(1) >= share).float()
