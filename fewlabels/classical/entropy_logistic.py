r"""Entropy minimization. Grandvalet & Bengio, "Semi-supervised Learning by Entropy Minimization", NIPS 2004.

.. math:: \min_W\; \tfrac12 |W|^2 + C \sum_{i=1}^{L} -\log p_{y_i}(x_i) + \lambda_u\, C L\; \mathrm{mean}_u\, H(p(u)),
          \qquad p(x) = \mathrm{softmax}(W x + b), \quad H(p) = -\sum_c p_c \log p_c

(The volume appeared in 2005.) Not convex: it starts from logistic regression on the labels, and the weight of the
entropy doubles from step to step (the paper's deterministic annealing). The paper sums H over unlabeled
rows; here it is their mean, so that lambda_u does not depend on how many there are.
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fewlabels.classical.base import ClassicalClassifier
from fewlabels.classical.checking import check_flag
from fewlabels.classical.entropy_objective import Objective, logits
from fewlabels.classical.linear import (
    Columns,
    Floats,
    annealed,
    check_number,
    check_whole,
    column_scale,
    descend,
    row_mean,
    softmax,
)
from fewlabels.data.memory import check_memory, memory_errors
from fewlabels.progress import Verbose, show_progress


class EntropyLogisticRegression(ClassicalClassifier):
    """Logistic regression that should be sure about unlabeled rows, too; dense or sparse rows.

    Its probabilities are made extreme on purpose, so they are not calibrated. Nothing keeps the classes in
    balance: with a large lambda_u one class can swallow the others, on text (BBC News, C=10) from 0.2 on, where
    tables gained. Hence the small default; fit warns when it happens. `S3VM` has a balance constraint.

    Parameters
    ----------
    C : inverse strength of the penalty, as in LogisticRegression
    lambda_u : weight of the mean entropy of unlabeled rows; 0 is LogisticRegression
    standardize : dense columns get mean 0 and variance 1 / D (rows then have length 1, like TF-IDF rows, and
        the same C fits both); sparse columns are never changed
    n_steps : how many times the unlabeled weight doubles on its way to lambda_u
    max_iter : most L-BFGS iterations a step
    tol : a step ends when no derivative of the objective, divided by C L, is larger
    verbose : "auto" and True show progress, False nothing

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_, transduction_ : as in every classifier here
    coef_, intercept_ : (K, D) and (K,), or (1, D) and (1,) for two classes
    history_ : list of dicts, one a step: "step", "lambda_u", "loss_x", "loss_u" (mean entropy), "iterations"
    n_iter_ : iterations of all steps

    Raises
    ------
    OptionError : a parameter makes no sense; InputError : the data cannot be used

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(-2, 1, (50, 2)), rng.normal(2, 1, (50, 2))])
    >>> y = np.full(100, -1)
    >>> y[[0, 50]] = 0, 1
    >>> model = EntropyLogisticRegression().fit(X, y)
    >>> float(np.mean(model.transduction_ == np.repeat([0, 1], 50)))
    0.99
    """

    takes_sparse = True

    def __init__(
        self,
        *,
        C: float = 10.0,
        lambda_u: float = 0.1,
        standardize: bool = True,
        n_steps: int = 10,
        max_iter: int = 200,
        tol: float = 1e-4,
        verbose: Verbose = "auto",
    ) -> None:
        self.C = C
        self.lambda_u = lambda_u
        self.standardize = standardize
        self.n_steps = n_steps
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose

    def baseline(self) -> EntropyLogisticRegression:
        """Logistic regression on the labeled rows alone."""
        return EntropyLogisticRegression(**(self.get_params(deep=False) | {"lambda_u": 0.0}))

    def fit(self, X: Any, y: Any) -> Self:
        """Train on all rows of X; y marks unlabeled rows with -1, None, NaN or "".

        Parameters
        ----------
        X : (N, D) table or frame, dense or SciPy sparse
        y : (N,)
        """
        with memory_errors():
            for name, above in (("C", True), ("lambda_u", False), ("tol", True)):
                check_number(name, getattr(self, name), 0, above=above)
            for name in ("n_steps", "max_iter"):
                check_whole(name, getattr(self, name), 1)
            check_flag("standardize", self.standardize)
            x, data = self._enter(X, y)
            n, k = x.shape[0], data.n_classes
            check_memory(8.0 * 8 * n * k, f"The scores of {n} rows for {k} classes", "Use fewer rows.")
            unlabeled = data.unlabeled
            center, scale = row_mean(x, np.arange(n)), column_scale(x, self.standardize)
            given = x[data.labeled] if len(unlabeled) else x
            columns = Columns(x, center, scale)
            problem = Objective(Columns(given, center, scale), columns, data.y, unlabeled, k, float(self.C))
            packed, history = self._solve(problem)
            coef, intercept = columns.unscaled(*problem.unpack(packed))
            proba = _probabilities(x @ coef.T + intercept)
            self.coef_, self.intercept_ = coef, intercept
            self.history_, self.n_iter_ = history, int(sum(entry["iterations"] for entry in history))
            self._remember_classes(data, proba)
        return self

    def _solve(self, problem: Objective) -> tuple[Floats, list[dict[str, float]]]:
        steps = annealed(self.lambda_u, self.n_steps) if self.lambda_u and len(problem.unlabeled) else []
        start = np.zeros(problem.n_parameters)
        packed, iterations, done = descend(lambda p: problem(p, 0.0), start, 10 * self.max_iter, self.tol)
        before = problem.counts(packed)
        history = [] if steps else [problem.entry(packed, 1, 0.0, iterations)]
        with show_progress(self.verbose, "EntropyLogistic", 0, len(steps)) as progress:
            for step, lambda_u in enumerate(steps, 1):

                def objective(p: Floats, lambda_u: float = lambda_u) -> tuple[float, Floats]:
                    return problem(p, lambda_u)

                packed, iterations, done = descend(objective, packed, self.max_iter, self.tol)
                history.append(problem.entry(packed, step, lambda_u, iterations))
                progress.update(step, f"entropy {history[-1]['loss_u']:.3f}")
        if not done:
            message = f"EntropyLogisticRegression: {self.max_iter} iterations were not enough; raise max_iter."
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        _warn_of_swallowed(before, problem.counts(packed))
        return packed, history

    def decision_function(self, X: Any) -> Floats:
        """Logits (N, K); for two classes (N,), positive for the second."""
        scores: Floats = self._rows(X) @ self.coef_.T + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> Floats:
        """(N, K) probabilities, columns as in `classes_`."""
        scores = self.decision_function(X)
        return _probabilities(scores[:, None] if scores.ndim == 1 else scores)


def _warn_of_swallowed(before: NDArray[np.int64], after: NDArray[np.int64]) -> None:
    """Say so if the entropy took nine tenths of the unlabeled rows from a class that had at least ten."""
    lost = (before >= 10) & (after < 0.1 * before)
    if lost.any():
        warnings.warn(
            f"EntropyLogisticRegression: {lost.sum()} of {len(lost)} classes lost nearly all of their unlabeled rows "
            f"(rows a class: {before.tolist()} from the labels alone, {after.tolist()} now). Lower lambda_u, or use "
            "S3VM, which keeps classes in balance.",
            UserWarning,
            stacklevel=4,
        )


def _probabilities(scores: Floats) -> Floats:
    return softmax(logits(scores))
