r"""Correct and smooth. Huang et al., "Combining Label Propagation and Simple Models", ICLR 2021.

In full: Huang, He, Singh, Lim and Benson, "Combining Label Propagation and Simple Models Out-performs Graph Neural
Networks". Z are class probabilities of a model that knows no graph, Y the labels, :math:`S = D^{-1/2} W D^{-1/2}`:

.. math:: \hat E = (1 - \alpha_1)(I - \alpha_1 S)^{-1} E, \qquad E_L = Y_L - Z_L,\; E_U = 0
.. math:: Z'_i = Z_i + \sigma\, \hat E_i / \lVert \hat E_i \rVert_1, \qquad
          \sigma = \mathrm{mean}_{i \in L} \lVert E_i \rVert_1
.. math:: F = (1 - \alpha_2)(I - \alpha_2 S)^{-1} G, \qquad G_L = Y_L,\; G_U = Z'_U

Errors of the model on labeled rows are probably those of their neighbors, and neighbors probably share a class. The
scale sigma is the paper's "autoscale". Conjugate gradients solve the systems where the paper iterates. Rows to which no
error spreads keep Z.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from fewlabels.classical.checking import check_number
from fewlabels.classical.on_graph import Floats, Graph, GraphClassifier, OnGraph
from fewlabels.classical.wrapping import check_base, new_base
from fewlabels.graph.solve import Solution, solve
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose
from fewlabels.seeds import check_seed


class CorrectAndSmooth(GraphClassifier):
    """The guesses of a simple classifier, corrected by its errors on labeled neighbors, then smoothed.

    Parameters
    ----------
    estimator : a scikit-learn classifier with `predict_proba`, trained on the labeled rows; None takes logistic
        regression on standardized columns. One that makes no errors on its own labels leaves nothing to correct
    alpha_correct, alpha_smooth : share taken from the neighbors in the two steps, at least 0 and below 1
    n_neighbors, metric, affinity, tol, max_iter, verbose, random_state : as in `LabelPropagation`; random_state is also
        that of an estimator that has none

    Attributes
    ----------
    estimator_ : the fitted classifier; its classes are positions in `classes_`
    classes_, label_distributions_, transduction_, unreached_, graph_, graph_facts_, class_prior_, n_iter_, history_,
        X_, n_features_in_, feature_names_in_ : as in `LabelPropagation`; the base speaks of every row, so none is
        unreached

    Examples
    --------
    >>> from fewlabels.classical.correct_and_smooth import CorrectAndSmooth
    >>> model = CorrectAndSmooth(n_neighbors=2).fit([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]], [0, -1, -1, -1, -1, 1])
    >>> model.transduction_.tolist()
    [0, 0, 0, 1, 1, 1]
    """

    class_mass = False  # for shares of classes there is the base
    class_prior = None

    def __init__(
        self,
        *,
        estimator: Any = None,
        alpha_correct: float = 0.8,
        alpha_smooth: float = 0.8,
        n_neighbors: int = 10,
        metric: str = "euclidean",
        affinity: Any = None,
        tol: float = 1e-8,
        max_iter: int = 1000,
        verbose: Verbose = "auto",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.alpha_correct = alpha_correct
        self.alpha_smooth = alpha_smooth
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.affinity = affinity
        self.tol = tol
        self.max_iter = max_iter
        self.verbose = verbose
        self.random_state = random_state

    def _build(self, x: Any, labeled: NDArray[np.int64], width: int) -> Graph:
        for name in ("alpha_correct", "alpha_smooth"):
            check_number(name, getattr(self, name), 0, np.nextafter(1, 0))
        check_base(self.estimator)
        graph = OnGraph._build(self, x, labeled, width)
        return dataclasses.replace(graph, reached=np.ones(x.shape[0], dtype=bool))

    def _scores(self, graph: Graph, data: Partial, prior: Floats) -> tuple[Floats, Solution]:
        x = data.x if data.kind == "table" else data.x.reshape(data.n_rows, -1)
        self.estimator_ = new_base(check_base(self.estimator), check_seed(self.random_state)).fit(
            x[data.labeled], data.y
        )
        z, y = self.estimator_.predict_proba(x), np.eye(data.n_classes)[data.y]
        spread, tol, max_iter = half_normalized(graph.weights), self.tol, self.max_iter
        z = corrected(z, data.labeled, y, spread, self.alpha_correct, tol=tol, max_iter=max_iter)
        z[data.labeled] = y
        solution = smoothed(spread, z, self.alpha_smooth, tol=tol, max_iter=max_iter)
        return solution.x, solution


def corrected(
    z: Floats, labeled: NDArray[np.int64], y: Floats, spread: csr_array, alpha: float, *, tol: float, max_iter: int
) -> Floats:
    """Z' (N, K) of guesses z (N, K), labels y (L, K) and S."""
    error = np.zeros_like(z)
    error[labeled] = y - z[labeled]
    found = smoothed(spread, error, alpha, tol=tol, max_iter=max_iter).x
    size = np.abs(found).sum(1, keepdims=True)
    sigma = np.abs(error[labeled]).sum(1).mean()
    # what the solver may be off by says nothing of a direction
    heard = size > tol * np.abs(error).sum()
    step: Floats = sigma * np.divide(found, size, out=np.zeros_like(found), where=heard)
    return z + step


def smoothed(spread: csr_array, b: Floats, alpha: float, *, tol: float, max_iter: int) -> Solution:
    """(1 - alpha) (I - alpha S)^-1 b."""
    system = csr_array(diags_array(np.ones(spread.shape[0])) - alpha * spread)
    return solve(system, (1 - alpha) * b, tol=tol, max_iter=max_iter)


def half_normalized(weights: csr_array) -> csr_array:
    """S; rows without edges stay empty."""
    degree = weights.sum(axis=1)
    half = diags_array(np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0))
    return csr_array(half @ weights @ half)
