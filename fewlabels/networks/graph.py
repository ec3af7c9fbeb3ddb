r"""Networks on graphs: a node's answer depends on its neighbors' features.

In all of them :math:`S = \tilde D^{-1/2} \tilde A \tilde D^{-1/2}` with :math:`\tilde A = A + I`, and X (N, D)
holds the features.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewlabels.networks.sparse import Sparse, at_entries, segment_softmax


class Nodes(NamedTuple):
    """What a network sees: a graph as a whole, and the nodes that are asked about.

    Attributes
    ----------
    x : features (N, D), dense or sparse
    edges : S, each node's edge to itself included (N, N); an entry of 0 is no edge
    rows : the nodes to answer for (B,)
    """

    x: Tensor | Sparse
    edges: Sparse
    rows: Tensor

    @property
    def ndim(self) -> int:
        """As of a table: methods ask whether rows are images."""
        return 2


class Dropout(nn.Module):
    """Dropout of features, dense or sparse; of sparse ones only what is not zero need be drawn."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor | Sparse) -> Tensor | Sparse:
        if isinstance(x, Sparse):
            return x._replace(values=F.dropout(x.values, self.p, self.training))
        return F.dropout(x, self.p, self.training)


def _weight(n_in: int, n_out: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_in, n_out)))


class GCN(nn.Module):
    r"""Kipf & Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017.

    .. math:: f(X) = S\, \mathrm{ReLU}(S X W_1 + b_1)\, W_2 + b_2

    Dropout on the features and on the hidden layer. Weight decay acts on :math:`W_1` alone, as in the paper.
    """

    def __init__(self, n_features: int, n_classes: int, width: int = 16, dropout: float = 0.5) -> None:
        super().__init__()
        self.drop = Dropout(dropout)
        self.first, self.last = _weight(n_features, width), _weight(width, n_classes)
        self.bias_first, self.bias_last = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(n_classes))
        self.decayed = [self.first]

    def forward(self, nodes: Nodes) -> Tensor:
        hidden = (nodes.edges @ (self.drop(nodes.x) @ self.first) + self.bias_first).relu()
        logits: Tensor = nodes.edges @ (self.drop(hidden) @ self.last) + self.bias_last
        return logits[nodes.rows]


class Attention(nn.Module):
    r"""One layer of graph attention with several heads.

    .. math:: h_i = \sum_j a_{ij} W x_j + b, \qquad a_{ij} = \mathrm{softmax}_j\,
              \mathrm{LeakyReLU}_{0.2}(u^\top W x_i + v^\top W x_j)

    j runs over the neighbors of i and i itself. A neighbor's share is learnt, so weights of edges are not used. Dropout
    on the features and on a.
    """

    def __init__(self, n_in: int, n_out: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.drop, self.dropout, self.heads = Dropout(dropout), dropout, heads
        self.weight, self.bias = _weight(n_in, heads * n_out), nn.Parameter(torch.zeros(heads * n_out))
        # Glorot's bound for each head by itself, a layer of n_out inputs and one output
        bound = math.sqrt(6 / (n_out + 1))
        self.u, self.v = (nn.Parameter(torch.empty(1, heads, n_out).uniform_(-bound, bound)) for _ in range(2))

    def forward(self, x: Tensor | Sparse, edges: Sparse) -> Tensor:
        pattern = edges.pattern
        message = (self.drop(x) @ self.weight).view(pattern.shape[1], self.heads, -1)
        to, of = (message * self.u).sum(2), (message * self.v).sum(2)
        scores = F.leaky_relu(at_entries(to, of, pattern), 0.2)
        scores = scores.masked_fill(edges.values[:, None] == 0, -torch.inf)
        share = F.dropout(segment_softmax(scores, pattern), self.dropout, self.training)
        heard = [Sparse(pattern, share[:, h].contiguous()) @ message[:, h].contiguous() for h in range(self.heads)]
        return torch.cat(heard, 1) + self.bias


class GAT(nn.Module):
    """Velickovic et al., "Graph Attention Networks", ICLR 2018: `heads` of `width`, ELU, then one head a class.

    Weight decay acts on all weights, as in the paper.
    """

    def __init__(self, n_features: int, n_classes: int, width: int = 8, heads: int = 8, dropout: float = 0.6) -> None:
        super().__init__()
        self.first = Attention(n_features, width, heads, dropout)
        self.last = Attention(width * heads, n_classes, 1, dropout)
        self.decayed = [p for p in self.parameters() if p.ndim > 1]

    def forward(self, nodes: Nodes) -> Tensor:
        hidden = F.elu(self.first(nodes.x, nodes.edges))
        return self.last(hidden, nodes.edges)[nodes.rows]  # type: ignore[no-any-return]


class APPNP(nn.Module):
    r"""Gasteiger et al., "Predict then Propagate: Graph Neural Networks meet Personalized PageRank", ICLR 2019.

    .. math:: Z_0 = \mathrm{ReLU}(X W_1 + b_1)\, W_2 + b_2, \qquad Z_{k+1} = (1 - \alpha)\, S Z_k + \alpha Z_0

    The answer is :math:`Z_K`. Dropout on the features, the hidden layer and, anew in every step, the entries of S.
    Weight decay acts on :math:`W_1` alone, as in the paper.
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        width: int = 64,
        hops: int = 10,
        alpha: float = 0.1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.drop, self.hops, self.alpha = Dropout(dropout), hops, alpha
        self.first, self.last = _weight(n_features, width), _weight(width, n_classes)
        self.bias_first, self.bias_last = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(n_classes))
        self.decayed = [self.first]

    def forward(self, nodes: Nodes) -> Tensor:
        hidden = (self.drop(nodes.x) @ self.first + self.bias_first).relu()
        start = z = self.drop(hidden) @ self.last + self.bias_last
        for _ in range(self.hops):
            z = (1 - self.alpha) * (self.drop(nodes.edges) @ z) + self.alpha * start
        return z[nodes.rows]  # type: ignore[no-any-return]


class Linear(nn.Module):
    """The last step of SGC: a linear layer on features that were propagated before (`graph.propagation`).

    Edges are not looked at again, so only the rows asked about are read. Weight decay acts on the weights.
    """

    def __init__(self, n_features: int, n_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.weight, self.bias = _weight(n_features, n_classes), nn.Parameter(torch.zeros(n_classes))
        self.decayed = [self.weight]

    def forward(self, nodes: Nodes) -> Tensor:
        assert isinstance(nodes.x, Tensor)
        return F.dropout(nodes.x[nodes.rows], self.dropout, self.training) @ self.weight + self.bias
