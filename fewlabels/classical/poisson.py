r"""Poisson learning. Calder et al., "Poisson Learning: Graph Based SSL at Very Low Label Rates", ICML 2020.

.. math:: L u(x_i) = \sum_{j \in \mathrm{labeled}} (y_j - \bar y)\, \delta_{ij}, \qquad
          \sum_i d_i u(x_i) = 0, \qquad \mathrm{class}(x_i) = \arg\max_c \frac{b_c}{\bar y_c} u_c(x_i)

with L = D - W the graph Laplacian, d the degrees, y one-hot labels, their mean :math:`\bar y`, and b the class prior.
With few labels the harmonic function of `LabelPropagation` is nearly constant, with a spike at each label; sources
and sinks in place of clamped values keep it from that.

The paper iterates a random walk towards the solution; here conjugate gradients solve the singular system, whose
right-hand side is orthogonal to the constants. The paper assumes one connected graph. A component here is a
problem of its own, with the mean of its own labels; where these are of one class the component gets that class.
The paper gives no probabilities: here they are the positive parts of the corrected u, divided by their sum, so
that the likeliest class is the paper's. They rank rows; do not read them as calibrated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from fewlabels.classical.on_graph import Floats, Graph, GraphClassifier
from fewlabels.graph.solve import Solution, solve
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose


class PoissonLearning(GraphClassifier):
    """Labels are sources and sinks of a flow over the graph: for one to five labels a class.

    Parameters
    ----------
    class_prior : (K,) share b of each class among all rows, in sorted order; None takes the shares among the
        labels, which makes the correction b / y-bar one
    n_neighbors, metric, affinity, class_mass, tol, max_iter, verbose, random_state : as in `LabelPropagation`;
        `class_mass` acts after the correction

    Attributes
    ----------
    classes_, label_distributions_, transduction_, unreached_, graph_, graph_facts_, class_prior_, n_iter_,
        history_, X_, n_features_in_, feature_names_in_ : as in `LabelPropagation`

    Examples
    --------
    >>> from fewlabels.classical.poisson import PoissonLearning
    >>> model = PoissonLearning(n_neighbors=2).fit([[0.0], [0.1], [0.2], [0.9], [1.0], [1.1]], [0, -1, -1, -1, -1, 1])
    >>> model.transduction_.tolist()
    [0, 0, 0, 1, 1, 1]
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 10,
        metric: str = "euclidean",
        affinity: Any = None,
        class_mass: bool = False,
        class_prior: Any = None,
        tol: float = 1e-8,
        max_iter: int = 1000,
        verbose: Verbose = "auto",
        random_state: Any = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.affinity = affinity
        self.class_mass = class_mass
        self.class_prior = class_prior
        self.tol = tol
        self.max_iter = max_iter
        self.verbose = verbose
        self.random_state = random_state

    def _scores(self, graph: Graph, data: Partial, prior: Floats) -> tuple[Floats, Solution]:
        y = np.eye(data.n_classes)[data.y]
        part = graph.component[data.labeled]
        mean = _means(part, y, np.ones(len(y)), int(graph.component.max()) + 1)
        source = np.zeros((data.n_rows, data.n_classes))
        source[data.labeled] = y - mean[part]
        degree = graph.weights.sum(axis=1)
        laplacian = csr_array(diags_array(degree) - graph.weights)
        solution = solve(laplacian, source, tol=self.tol, max_iter=self.max_iter)
        # any constant may have been added in each component
        u = solution.x - _means(graph.component, solution.x, degree, len(mean))[graph.component]
        u *= prior / y.mean(0)
        positive = np.maximum(u, 0.0)
        total = positive.sum(1, keepdims=True)
        # u is 0 where all labels of a component are of one class (there are no sources), and at exact ties
        return np.divide(positive, total, out=mean[graph.component], where=total > 0), solution


def _means(part: NDArray[np.int64], value: Floats, weight: Floats, n_parts: int) -> Floats:
    """(P, K) weighted mean of the rows of each part; 0 where the weights are."""
    total = np.bincount(part, weight, n_parts)
    sums = np.stack([np.bincount(part, weight * column, n_parts) for column in value.T], axis=1)
    return np.divide(sums, total[:, None], out=np.zeros_like(sums), where=total[:, None] > 0)
