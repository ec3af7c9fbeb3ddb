r"""S3VM. Chapelle & Zien, "Semi-Supervised Classification by Low Density Separation", AISTATS 2005.

.. math:: \min_w\; \tfrac12 |w|^2 + C \sum_{i=1}^{L} \max(0, 1 - y_i f(x_i))^2
          + \lambda_u\, C L\; \mathrm{mean}_u\, e^{-3 f(u)^2}
          \quad\text{with}\quad \mathrm{mean}_u f(u) = 2r - 1, \qquad f(x) = w^\top x + b

The boundary runs where few rows are (the idea of Joachims' transductive SVM, ICML 1999). Rows are centered on
the mean of the unlabeled ones, so the balance constraint is b = 2r - 1 and holds exactly; r is the share
of the class. As in the paper the weight of the unlabeled term doubles from step to step, starting from
the SVM of the labels alone; each step is solved by L-BFGS (Gieseke et al., Neurocomputing 2014, who also
weigh the mean over unlabeled rows, so that lambda_u does not depend on how many there are). Not as in the paper:
the kernel is approximated by Nystroem features where there are more rows than landmarks, and more than
two classes are one problem each against the rest, solved side by side in one pass over the rows.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from fewlabels.classical.base import ClassicalClassifier
from fewlabels.classical.checking import check_flag
from fewlabels.classical.kernel_features import Nystroem, fit_nystroem
from fewlabels.classical.linear import (
    Floats,
    annealed,
    check_number,
    check_whole,
    column_scale,
    descend,
    softmax,
)
from fewlabels.classical.s3vm_problem import Problem, as_prior, as_problem
from fewlabels.data.memory import memory_errors
from fewlabels.errors import OptionError
from fewlabels.progress import Verbose, show_progress
from fewlabels.seeds import check_seed

# More labeled rows than this share on the wrong side than the labels alone would leave there: then fit warns.
_TOLERATED = 0.02


class S3VM(ClassicalClassifier):
    """A support vector machine whose boundary keeps away from unlabeled rows; dense or sparse rows.

    It helps where classes are clusters, as in text. Where a boundary must cross dense regions it does harm:
    on digits and Fashion-MNIST the linear one falls below its own `baseline()`. Compare before you trust it.

    Parameters
    ----------
    C : weight of the labeled rows against the norm, as in LinearSVC
    lambda_u : weight of the unlabeled term; 0 is the SVM of the labeled rows alone, without the constraint
    class_prior : (K,) shares of the classes among the unlabeled rows, in the order of `classes_`; None takes
        those of the labels, which is wrong if you labeled as many of each class but classes differ in size
    kernel : "linear" or "rbf"
    gamma : of the kernel exp(-gamma d^2) on standardized rows; "scale" takes 1 / variance
    n_components : landmarks of the kernel; with as many rows or fewer the kernel is exact
    standardize : dense columns get mean 0 and variance 1 / D (rows then have length 1, like TF-IDF rows, and
        the same C fits both); sparse columns are never changed
    n_steps : how many times the unlabeled weight doubles on its way to lambda_u
    max_iter : most L-BFGS iterations a step
    tol : a step ends when no derivative of the objective, divided by C L, is larger
    verbose : "auto" and True show progress, False nothing
    random_state : draws the landmarks; without a kernel there is nothing to draw

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_, transduction_ : as in every classifier here
    coef_, intercept_ : (K, D) and (K,), or (1, D) and (1,) for two classes; of kernel features with "rbf"
    class_prior_ : (K,) the shares that were used
    labeled_objective_, baseline_objective_ : LinearSVC's objective at the result and at its minimum, summed over
        the problems. The first is never lower; how much higher tells what the unlabeled rows cost the labels
    labeled_accuracy_, baseline_labeled_accuracy_ : the share of labeled rows that the result and the SVM of the labels
        alone get right. fit warns when the result loses more than 2 % of the rows
    history_ : list of dicts, one a step: "step", "lambda_u", "labeled_objective", "loss_u", "iterations"
    n_iter_ : iterations of all steps
    landmarks_, whitening_, scale_, gamma_ : the kernel's features; None without a kernel

    Raises
    ------
    OptionError : a parameter makes no sense; InputError : the data cannot be used; ResourceError : too many kernel
        features for the memory

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(-2, 1, (50, 2)), rng.normal(2, 1, (50, 2))])
    >>> y = np.full(100, -1)
    >>> y[[0, 50]] = 0, 1
    >>> model = S3VM().fit(X, y)
    >>> float(np.mean(model.transduction_ == np.repeat([0, 1], 50)))
    1.0
    """

    takes_sparse = True

    def __init__(
        self,
        *,
        C: float = 10.0,
        lambda_u: float = 0.5,
        class_prior: Any = None,
        kernel: str = "linear",
        gamma: float | Literal["scale"] = "scale",
        n_components: int = 500,
        standardize: bool = True,
        n_steps: int = 10,
        max_iter: int = 200,
        tol: float = 1e-4,
        verbose: Verbose = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.C = C
        self.lambda_u = lambda_u
        self.class_prior = class_prior
        self.kernel = kernel
        self.gamma = gamma
        self.n_components = n_components
        self.standardize = standardize
        self.n_steps = n_steps
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state

    def baseline(self) -> S3VM:
        """The same machine on the labeled rows alone: no unlabeled term, no balance constraint."""
        return S3VM(**(self.get_params(deep=False) | {"lambda_u": 0.0}))

    def fit(self, X: Any, y: Any) -> Self:
        """Train on all rows of X; y marks unlabeled rows with -1, None, NaN or "".

        Parameters
        ----------
        X : (N, D) table or frame, dense or SciPy sparse
        y : (N,)
        """
        with memory_errors():
            self._check_options()
            x, data = self._enter(X, y)
            prior = as_prior(self.class_prior, data)
            scale = column_scale(x, self.standardize)
            features = None
            if self.kernel == "rbf":
                rng = np.random.default_rng(check_seed(self.random_state))
                features = fit_nystroem(x, scale, self.gamma, self.n_components, rng)
                x, scale = features(x), np.ones(features.whitening.shape[1])
            problem = as_problem(x, scale, data, float(self.C))
            weights, bias, history, baseline = self._solve(problem, prior[-problem.shape[1] :])
            coef, intercept = problem.rows.unscaled(weights, bias)
            scores = x @ coef.T + intercept
            self._keep(problem, weights, bias, history, baseline)
            self.coef_, self.intercept_, self.class_prior_ = coef, intercept, prior
            self.landmarks_, self.whitening_, self.scale_, self.gamma_ = _parts(features)
            self._remember_classes(data, _probabilities(scores))
        return self

    def decision_function(self, X: Any) -> Floats:
        """Scores (N, K), one class against the rest; for two classes (N,), positive for the second."""
        x = self._rows(X)
        check_is_fitted(self, "coef_")
        if self.landmarks_ is not None:
            assert self.whitening_ is not None
            assert self.scale_ is not None
            assert self.gamma_ is not None
            x = Nystroem(self.landmarks_, self.whitening_, self.scale_, self.gamma_)(x)
        scores: Floats = x @ self.coef_.T + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> Floats:
        """(N, K) softmax of twice the scores, where two classes score -f and f.

        A fixed mapping: a row at the margin of two classes gets 0.98. It is **not calibrated**: the
        unlabeled term pushes rows away from 0 whether they are sure or not. Calibrate on held-out labels.
        """
        scores = self.decision_function(X)
        return _probabilities(scores[:, None] if scores.ndim == 1 else scores)

    def _solve(self, problem: Problem, prior: Floats) -> tuple[Floats, Floats, list[dict[str, float]], Floats]:
        """Weights, biases, history, and the packed solution on the labeled rows alone."""
        width, k = problem.shape
        # The bias starts where the classes' shares put it, which saves the iterations that find it.
        start = np.concatenate([np.zeros(width * k), problem.signs.mean(0)])
        baseline, iterations, done = descend(problem.supervised, start, 10 * self.max_iter, self.tol)
        weights, bias = problem.unpack(baseline)
        steps = annealed(self.lambda_u, self.n_steps) if self.lambda_u and len(problem.unlabeled) else []
        history = [] if steps else [_entry(problem, weights, bias, 1, 0.0, iterations)]
        bias = 2 * prior - 1 if steps else bias
        with show_progress(self.verbose, "S3VM", 0, len(steps)) as progress:
            for step, lambda_u in enumerate(steps, 1):

                def objective(packed: Floats, lambda_u: float = lambda_u) -> tuple[float, Floats]:
                    return problem.transductive(packed, bias, lambda_u)

                packed, iterations, done = descend(objective, weights.ravel(), self.max_iter, self.tol)
                weights = packed.reshape(width, k)
                history.append(_entry(problem, weights, bias, step, lambda_u, iterations))
                progress.update(step, f"unlabeled loss {history[-1]['loss_u']:.3f}")
        if not done:
            warnings.warn(f"S3VM: {self.max_iter} iterations were not enough; raise max_iter.", ConvergenceWarning, 3)
        return weights, bias, history, baseline

    def _keep(
        self, problem: Problem, weights: Floats, bias: Floats, history: list[dict[str, float]], baseline: Floats
    ) -> None:
        """Set what tells how the labeled rows fared, and warn if they fared badly."""
        ours, scores = problem.labeled_objective(weights, bias)
        theirs, alone = problem.labeled_objective(*problem.unpack(baseline))
        right, right_alone = _accuracy(scores, problem.signs), _accuracy(alone, problem.signs)
        if right_alone - right > _TOLERATED:
            warnings.warn(
                f"S3VM: the unlabeled rows pull the boundary across labeled ones: it gets {right:.1%} of the labeled "
                f"rows right, the labels alone {right_alone:.1%} (objective {ours:.4g} against {theirs:.4g}). "
                "Lower lambda_u, check class_prior, or use baseline().",
                UserWarning,
                stacklevel=3,
            )
        self.labeled_objective_, self.baseline_objective_ = ours, theirs
        self.labeled_accuracy_, self.baseline_labeled_accuracy_ = right, right_alone
        self.history_, self.n_iter_ = history, int(sum(entry["iterations"] for entry in history))

    def _check_options(self) -> None:
        check_number("C", self.C, 0, above=True)
        check_number("lambda_u", self.lambda_u, 0)
        check_number("tol", self.tol, 0, above=True)
        for name in ("n_components", "n_steps", "max_iter"):
            check_whole(name, getattr(self, name), 1)
        check_flag("standardize", self.standardize)
        if not isinstance(self.kernel, str) or self.kernel not in ("linear", "rbf"):
            raise OptionError(f"kernel={self.kernel!r}; expected 'linear' or 'rbf'.")
        if not (isinstance(self.gamma, str) and self.gamma == "scale"):
            check_number("gamma", self.gamma, 0, above=True)


def _entry(problem: Problem, weights: Floats, bias: Floats, step: int, lambda_u: float, n: int) -> dict[str, float]:
    loss_u = problem.unlabeled_loss(weights, bias) if len(problem.unlabeled) else 0.0
    objective, _ = problem.labeled_objective(weights, bias)
    entry = {"step": step, "lambda_u": lambda_u, "labeled_objective": objective, "loss_u": loss_u, "iterations": n}
    return {name: float(value) for name, value in entry.items()}


def _accuracy(scores: Floats, signs: Floats) -> float:
    if scores.shape[1] == 1:
        return float(np.mean((scores > 0) == (signs > 0)))
    return float(np.mean(scores.argmax(1) == signs.argmax(1)))


def _probabilities(scores: Floats) -> Floats:
    return softmax(2 * (np.hstack([-scores, scores]) if scores.shape[1] == 1 else scores))


def _parts(features: Nystroem | None) -> tuple[Any, Any, Any, Any]:
    if features is None:
        return None, None, None, None
    return features.landmarks, features.whitening, features.scale, features.gamma
