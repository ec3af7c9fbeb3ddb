"""What estimators on a graph share: the graph of the training rows, and new rows from their neighbors in it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fewlabels.classical.base import Classical, ClassicalClassifier
from fewlabels.classical.checking import check_flag
from fewlabels.classical.labels_only import LabelsOnlyClassifier
from fewlabels.data.memory import check_memory, held_bytes, memory_errors
from fewlabels.errors import InputError, OptionError
from fewlabels.graph.neighbors import MEND, nearest, prepare, search_bytes
from fewlabels.graph.solve import Solution, check_solver
from fewlabels.graph.threads import copied
from fewlabels.graph.weights import affinities, check_affinity, edges, reach
from fewlabels.partial_labels import Partial
from fewlabels.progress import Verbose
from fewlabels.seeds import check_seed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Graph:
    """Weights (N, N), each row's component and whether it holds a label, and facts."""

    weights: csr_array
    component: NDArray[np.int64]
    reached: NDArray[np.bool_]
    facts: dict[str, Any]


class OnGraph(Classical):
    """Builds the graph, and averages what is known of training rows over the neighbors of new rows."""

    takes_sparse: ClassVar[bool] = True

    n_neighbors: int
    metric: str
    affinity: Any
    tol: float
    max_iter: int
    verbose: Verbose
    random_state: Any

    def _build(self, x: Any, labeled: NDArray[np.int64], width: int) -> Graph:
        """The graph; `width` is how many numbers a row will have on it."""
        check_solver(self.tol, self.max_iter)
        n, k, seed = x.shape[0], self._check_neighbors(x.shape[0]), check_seed(self.random_state)
        need = 80.0 * n * width + (search_bytes(x, n, k) if self.affinity is None else 0)
        scaled = held_bytes(x) if self.metric == "cosine" else 0
        check_memory(need + scaled, f"a graph of {n:,} rows and the scores of {width:,} classes", MEND)
        x = prepare(x, self.metric)
        facts: dict[str, Any] = {"search": "given", "recall": 1.0, "n_neighbors": k}
        if self.affinity is not None:
            weights = check_affinity(self.affinity, n)
        else:
            found = nearest(x, k, seed=seed, verbose=self.verbose)
            weights = edges(found)
            facts |= {"search": found.search, "recall": found.recall}
        component, reached = reach(weights, labeled)
        facts |= {"n_edges": weights.nnz // 2, "n_components": int(component.max()) + 1}
        return Graph(weights, component, reached, facts)

    def _check_neighbors(self, n: int) -> int:
        k = self.n_neighbors
        if isinstance(k, bool) or not (isinstance(k, int | np.integer) and k >= 1):
            raise OptionError(f"n_neighbors={k!r}; expected a whole number of at least 1.")
        if n < 2:
            raise InputError("X has 1 sample; a graph needs at least 2 rows.")
        if k >= n and self.affinity is None:
            warnings.warn(
                f"n_neighbors={k}, but X has {n} rows: each is joined to the {n - 1} others.", UserWarning, stacklevel=4
            )
        return int(min(k, n - 1))

    def _keep(self, x: Any, graph: Graph, solution: Solution) -> None:
        """Fitted attributes; call it when nothing can fail any more."""
        # a copy: the caller's own array may change after fit
        self.X_ = copied(x)
        self.graph_ = graph.weights
        self.graph_facts_ = graph.facts
        # scikit-learn wants at least 1, also where all rows are labeled and nothing is solved
        self.n_iter_ = max(1, solution.n_iter)
        self.history_ = solution.history

    def _average(self, X: Any, known: str) -> Floats:
        """(Q, ...) weighted means of the attribute `known` (N, ...) over the nearest training rows of new rows."""
        queries = prepare(self._rows(X), self.metric)
        found = nearest(prepare(self.X_, self.metric), min(int(self.n_neighbors), self.X_.shape[0]), queries)
        weight = affinities(found.distance)
        mean = np.einsum("qk,qk...->q...", weight / weight.sum(1, keepdims=True), getattr(self, known)[found.index])
        return np.asarray(mean)


class GraphClassifier(ClassicalClassifier, OnGraph):
    """fit and predict of the classifiers; each adds `_scores`, its equation."""

    class_prior: Any
    class_mass: bool

    def baseline(self) -> LabelsOnlyClassifier:
        """Nearest neighbors or logistic regression on the labeled rows alone, whichever cross-validates better."""
        return LabelsOnlyClassifier(metric=self.metric, random_state=self.random_state)

    def fit(self, X: Any, y: Any) -> Self:
        """Spread the labels over the graph of all rows; y marks unlabeled rows with -1, None, NaN or "".

        Parameters
        ----------
        X : (N, D) table, frame or SciPy sparse rows; y : (N,)

        Raises
        ------
        InputError : the data or `affinity` cannot be used; OptionError : an option cannot;
        ResourceError : the graph would need more than half of the free memory
        """
        with memory_errors():
            check_flag("class_mass", self.class_mass)
            x, data = self._enter(X, y)
            prior = self._prior(data)
            graph = self._build(x, data.labeled, data.n_classes)
            scores, solution = self._scores(graph, data, prior)
            proba, unreached = self._distributions(scores, graph.reached, data, prior)
            warn_unreached(unreached, "the class prior")
            self._keep(x, graph, solution)
            self.class_prior_ = prior
            self.label_distributions_, self.unreached_ = proba, unreached
            self._remember_classes(data, proba)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """(Q, K) means of the neighbors' distributions, columns as in `classes_`."""
        # a mean of numbers up to 1 may exceed 1 by its rounding
        return np.minimum(self._average(X, "label_distributions_"), 1.0)

    def _scores(self, graph: Graph, data: Partial, prior: Floats) -> tuple[Floats, Solution]:
        """(N, K) scores, of which the largest is the class; negative ones count as 0."""
        raise NotImplementedError

    def _prior(self, data: Partial) -> Floats:
        if self.class_prior is None:
            return np.bincount(data.y, minlength=data.n_classes) / len(data.y)
        try:
            prior = np.asarray(self.class_prior, dtype=np.float64)
        except (OverflowError, TypeError, ValueError):
            prior = np.empty(0)  # refused below
        if prior.shape != (data.n_classes,) or not (np.isfinite(prior).all() and (prior > 0).all()):
            raise OptionError(
                f"class_prior={self.class_prior!r}; expected None or {data.n_classes} numbers above 0, the share of "
                f"each of the classes {data.classes.tolist() if data.classes is not None else []}."
            )
        out: Floats = prior / prior.sum()
        return out

    def _distributions(
        self, scores: Floats, reached: NDArray[np.bool_], data: Partial, prior: Floats
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Scores to rows that sum to 1, and which rows no label reached: these get the prior."""
        scores = np.maximum(scores, 0.0)
        total = scores.sum(1)
        # less than what the solver may be off by is no evidence for any class
        unreached = ~reached | (total <= self.tol * np.sqrt(len(data.y)) * total.max())
        unreached[data.labeled] = False
        if self.class_mass:
            mass = scores[data.unlabeled][~unreached[data.unlabeled]].sum(0)
            scores = scores * np.divide(prior, mass, out=np.ones_like(mass), where=mass > 0)
        scores[unreached] = prior
        return scores / scores.sum(1, keepdims=True), unreached


def warn_unreached(unreached: NDArray[np.bool_], what: str) -> None:
    if unreached.any():
        warnings.warn(
            f"{int(unreached.sum())} of {len(unreached)} rows are in parts of the graph that no label reaches; they "
            f"get {what} (see unreached_). Label a row in each part, raise n_neighbors, or drop repeated rows.",
            UserWarning,
            stacklevel=3,
        )
