"""Label propagation for numbers. Zhu et al., "SSL Using Gaussian Fields and Harmonic Functions", ICML 2003.

.. math:: f_U = (D_{UU} - W_{UU})^{-1}\\, W_{UL}\\, y_L

The harmonic function itself, with the graph of `LabelPropagation`. Rows in parts of the graph without a label get the
mean of the labels; the paper assumes that there are none.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from fewlabels.classical.label_propagation import harmonic
from fewlabels.classical.labels_only import LabelsOnlyRegressor
from fewlabels.classical.on_graph import Floats, OnGraph, warn_unreached
from fewlabels.data.memory import memory_errors
from fewlabels.progress import Verbose


class LabelPropagationRegressor(RegressorMixin, OnGraph):
    """Each unlabeled row's number is the weighted mean of its neighbors'; NaN marks unlabeled rows.

    Parameters
    ----------
    n_neighbors, metric, affinity, tol, max_iter, verbose, random_state : as in `LabelPropagation`

    Attributes
    ----------
    transduction_ : (N,) the given target of each labeled row, the harmonic function at every other
    unreached_ : (N,) bool, rows in parts of the graph without a label: they get the mean of the labels
    graph_, graph_facts_, n_iter_, history_, X_, n_features_in_, feature_names_in_ : as in
        `LabelPropagation`

    Examples
    --------
    >>> from fewlabels.classical.label_propagation_regressor import LabelPropagationRegressor
    >>> nan = float("nan")
    >>> model = LabelPropagationRegressor(n_neighbors=2).fit([[0.0], [1.0], [2.0], [3.0]], [0.0, nan, nan, 3.0])
    >>> model.transduction_.round(3).tolist()
    [0.0, 0.345, 2.655, 3.0]
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 10,
        metric: str = "euclidean",
        affinity: Any = None,
        tol: float = 1e-8,
        max_iter: int = 1000,
        verbose: Verbose = "auto",
        random_state: Any = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.affinity = affinity
        self.tol = tol
        self.max_iter = max_iter
        self.verbose = verbose
        self.random_state = random_state

    def baseline(self) -> LabelsOnlyRegressor:
        """Nearest neighbors or ridge regression on the labeled rows alone, whichever cross-validates better."""
        return LabelsOnlyRegressor(metric=self.metric, random_state=self.random_state)

    def fit(self, X: Any, y: Any) -> Self:
        """Spread the numbers over the graph of all rows. Parameters and errors as in `LabelPropagation.fit`."""
        with memory_errors():
            x, data = self._enter(X, y, "numbers")
            graph = self._build(x, data.labeled, 1)
            mean = data.y.mean()
            # centered, so that the solver's tolerance is one of differences between targets
            values, solution = harmonic(
                graph, data.labeled, (data.y - mean)[:, None], tol=self.tol, max_iter=self.max_iter
            )
            target = values[:, 0] + mean
            target[data.labeled] = data.y
            warn_unreached(~graph.reached, "the mean of the labels")
            self._keep(x, graph, solution)
            self.transduction_, self.unreached_ = target, ~graph.reached
            self._remember(data)
        return self

    def predict(self, X: Any) -> Floats:
        """(Q,) weighted means of the neighbors' numbers."""
        return np.asarray(self._average(X, "transduction_"))
