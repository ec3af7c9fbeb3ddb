r"""Propagation: Zhu et al., "Gaussian Fields", ICML 2003. Spreading: Zhou et al., "Local and Global", NeurIPS 2004.

In full: Zhu, Ghahramani and Lafferty, "Semi-Supervised Learning Using Gaussian Fields and Harmonic Functions"; Zhou,
Bousquet, Lal, Weston and Schoelkopf, "Learning with Local and Global Consistency".

Labels of labeled rows are kept (harmonic solution, eq. 5 of Zhu et al.):

.. math:: f_U = (D_{UU} - W_{UU})^{-1}\, W_{UL}\, Y_L, \qquad D_{ii} = \sum_j w_{ij}

Labels may be given up (Zhou et al., section 2; the factor :math:`1 - \alpha` changes no decision):

.. math:: F = (1 - \alpha)\,(I - \alpha S)^{-1}\, Y, \qquad S = D^{-1/2} W D^{-1/2}

Both papers join all rows with one global width; here each row is joined to its nearest neighbors, with a width of
its own (`fewlabels.graph.weights`), so that the systems are sparse, and conjugate gradients solve them where the
papers iterate or invert. Class-mass normalization (Zhu et al., section 4) multiplies the scores of class c by
:math:`q_c / \sum_{i \in U} f_{ic}` before the largest is taken. A new row gets the weighted mean of its
neighbors' distributions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from fewlabels.classical.on_graph import Floats, Graph, GraphClassifier
from fewlabels.errors import OptionError
from fewlabels.graph.solve import Solution, solve
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose


def harmonic(graph: Graph, labeled: NDArray[np.int64], y: Floats, *, tol: float, max_iter: int) -> tuple[Floats, Any]:
    """(N, K) the values y (L, K) at labeled rows, their weighted neighbor mean at others, 0 where none is reached."""
    degree = graph.weights.sum(axis=1)
    # rows that no label reaches have 0 on the right-hand side, so they stay 0
    free = np.ones(len(degree), dtype=bool)
    free[labeled] = False
    rows = np.flatnonzero(free)
    outward = graph.weights[rows]
    solution = solve(
        csr_array(diags_array(degree[rows]) - outward[:, rows]), outward[:, labeled] @ y, tol=tol, max_iter=max_iter
    )
    out = np.zeros((len(degree), y.shape[1]))
    out[rows], out[labeled] = solution.x, y
    return out, solution


class LabelPropagation(GraphClassifier):
    """Each unlabeled row's class shares are the weighted mean of its neighbors'; given labels stay.

    Parameters
    ----------
    n_neighbors : neighbors of each row in the graph
    metric : "euclidean" or "cosine"
    affinity : your own graph in place of nearest neighbors: SciPy sparse (N, N), symmetric, non-negative, zero
        diagonal. X is still needed, for new rows, which are joined to their nearest rows of X
    class_mass : class-mass normalization, for labels whose class shares are not those of all rows
    class_prior : (K,) share of each class, in sorted order; None takes the shares among the labels. It is the
        target of `class_mass` and what rows that no label reaches get
    tol : relative residual at which the solver stops
    max_iter : most iterations of the solver
    verbose : "auto" and True show progress of the neighbor search, False nothing
    random_state : seed of the approximate neighbor search (above 100,000 rows) and of `baseline`

    Attributes
    ----------
    classes_ : (K,) in the type of y
    label_distributions_ : (N, K) class shares of the training rows
    transduction_ : (N,) the given label of each labeled row, the likeliest class of every other
    unreached_ : (N,) bool, rows in parts of the graph without a label: they get the class prior
    graph_ : (N, N) weights, CSR; graph_facts_ : how they were found, and the recall of the neighbor search
    class_prior_ : (K,) the shares used
    n_iter_, history_ : iterations of the solver; the residual after each
    X_ : the training rows
    n_features_in_, feature_names_in_ : what fit saw

    Examples
    --------
    >>> from fewlabels.classical.label_propagation import LabelPropagation
    >>> model = LabelPropagation(n_neighbors=2).fit([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]], [0, -1, -1, -1, -1, 1])
    >>> model.transduction_.tolist(), model.predict([[4.0]]).tolist()
    ([0, 0, 0, 1, 1, 1], [1])
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
        return harmonic(graph, data.labeled, y, tol=self.tol, max_iter=self.max_iter)


class LabelSpreading(GraphClassifier):
    """Each row keeps a share alpha of its neighbors' class scores and 1 - alpha of its own label.

    Parameters
    ----------
    alpha : share taken from the neighbors, between 0 and 1; 0.99 as in the paper
    n_neighbors, metric, affinity, class_mass, class_prior, tol, max_iter, verbose, random_state : as in
        `LabelPropagation`

    Attributes
    ----------
    label_distributions_ : (N, K) scores divided by their sum. They may disagree with a given label;
        `transduction_` keeps it
    classes_, transduction_, unreached_, graph_, graph_facts_, class_prior_, n_iter_, history_, X_,
        n_features_in_, feature_names_in_ : as in `LabelPropagation`

    Examples
    --------
    >>> from fewlabels.classical.label_propagation import LabelSpreading
    >>> model = LabelSpreading(n_neighbors=2).fit([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]], [0, -1, -1, -1, -1, 1])
    >>> model.transduction_.tolist()
    [0, 0, 0, 1, 1, 1]
    """

    def __init__(
        self,
        *,
        alpha: float = 0.99,
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
        self.alpha = alpha
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
        alpha = self.alpha
        if isinstance(alpha, bool) or not (isinstance(alpha, int | float | np.number) and 0 < alpha < 1):
            raise OptionError(f"alpha={alpha!r}; expected a number above 0 and below 1.")
        y = np.zeros((data.n_rows, data.n_classes))
        y[data.labeled, data.y] = 1.0
        degree = graph.weights.sum(axis=1)
        half = diags_array(np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0))
        spread = half @ graph.weights @ half
        solution = solve(
            csr_array(diags_array(np.ones(data.n_rows)) - alpha * spread),
            (1 - alpha) * y, tol=self.tol, max_iter=self.max_iter,
        )  # fmt: skip
        return solution.x, solution
