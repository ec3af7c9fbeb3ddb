"""Graph networks by name, what their papers train them with, and what they take and answer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from torch import Tensor, nn

from fewlabels.graph.propagation import propagate
from fewlabels.networks.graph import APPNP, GAT, GCN, Linear, Nodes
from fewlabels.networks.sparse import Pattern, Sparse, normalized

Floats = NDArray[np.float64]


class Architecture(NamedTuple):
    """A network and what its paper trains it with; None: it has no such option."""

    network: type[nn.Module]
    steps: int
    lr: float
    weight_decay: float
    dropout: float
    width: int | None = None
    heads: int | None = None
    hops: int | None = None
    alpha: float | None = None
    rows: int = 2**62  # labeled nodes a step, and as many others


ARCHITECTURES = {
    "gcn": Architecture(GCN, 200, 0.01, 5e-4, 0.5, width=16),
    "gat": Architecture(GAT, 400, 0.005, 5e-4, 0.6, width=8, heads=8),
    "appnp": Architecture(APPNP, 200, 0.01, 5e-3, 0.5, width=64, hops=10, alpha=0.1),
    # answers a row at a time, so a step need not read them all
    "sgc": Architecture(Linear, 100, 0.2, 5e-5, 0.0, hops=2, alpha=0.0, rows=10_000),
}
SIZES = ("width", "heads", "hops")  # whole numbers
_ASKED = 100_000  # nodes of "sgc" answered at a time


def build(architecture: Architecture, n_features: int, n_classes: int) -> nn.Module:
    sizes = {name: getattr(architecture, name) for name in (*SIZES, "alpha", "dropout")}
    if architecture.network is Linear:
        sizes = {"dropout": architecture.dropout}
    given = {name: value for name, value in sizes.items() if value is not None}
    return architecture.network(n_features, n_classes, **given)


def inputs(x: Any, adjacency: csr_array, architecture: Architecture) -> tuple[Tensor | Sparse, Sparse]:
    """Features and A + I as a network takes them; propagated features need no edges any more."""
    if architecture.network is Linear:
        x = propagate(x, adjacency, architecture.hops or 0, architecture.alpha or 0.0)
        adjacency = csr_array(adjacency.shape, dtype=np.float32)
    return as_tensor(x), as_tensor(adjacency)  # type: ignore[return-value]


def as_tensor(x: Any) -> Tensor | Sparse:
    if not issparse(x):
        return torch.from_numpy(np.ascontiguousarray(x))
    x.sort_indices()
    return Sparse(Pattern.of(x), torch.from_numpy(x.data.astype(np.float32)))


@torch.no_grad()
def answers(network: nn.Module, x: Tensor | Sparse, adjacency: Sparse, first: int) -> Floats:
    """Probabilities of the nodes from `first` on."""
    edges, rows = normalized(adjacency), torch.arange(first, adjacency.pattern.shape[0])
    size = _ASKED if isinstance(network, Linear) else max(1, len(rows))
    parts = [network(Nodes(x, edges, part)).double().softmax(1) for part in torch.split(rows, size)]
    out: Floats = torch.cat(parts).numpy()
    return out
