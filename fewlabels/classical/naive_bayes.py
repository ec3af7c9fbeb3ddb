r"""Naive Bayes by EM. Nigam et al., "Text Classification from Labeled and Unlabeled Documents using EM", 2000.

.. math:: \max_\theta \sum_{i \in L} \log p(x_i, y_i; \theta)
          + \lambda_u \sum_{i \in U} \log \sum_k p(x_i, k; \theta) + \log p(\theta), \qquad
          p(x, k) = \pi_k \prod_j p(x_j \mid k)

The paper's EM-lambda, for counts as there (multinomial), for presence (Bernoulli) and for numbers (Gaussian). With
n_kj the weighted count of word j in class k and n_k the weight of class k, smoothing by alpha gives

.. math:: \theta_{kj} = \frac{\alpha + n_{kj}}{\alpha D + \sum_j n_{kj}} \text{ (multinomial)}, \qquad
          \theta_{kj} = \frac{\alpha + n_{kj}}{2 \alpha + n_k} \text{ (Bernoulli)}

The paper's alpha is 1; the default here is 0.1, which was better with and without unlabeled rows on BBC News with 5
labels a class (draws of seeds 1000 to 1005, which `benchmarks/generative.py` does not use): 0.944 and 0.858 against
0.942 and 0.811. Gaussian variances are those of `mixture` with covariance "diag": alpha has no part in them. The number
of ways in which the words of a document can be ordered is left out of p(x): it is the same for every class. In the
paper lambda is chosen by cross-validation; here it is a parameter like any other, for a grid search with
`SemiSupervisedSplit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import Tags

from fewlabels.classical.base import ClassicalClassifier
from fewlabels.classical.checking import check_choice, check_number
from fewlabels.classical.em import EM, Array, Family, MakeFamily, Mixture, Params
from fewlabels.classical.mixture import Gaussians, class_proba
from fewlabels.data.memory import check_memory, held_bytes, memory_errors
from fewlabels.errors import InputError
from fewlabels.progress import Verbose

Distribution = Literal["gaussian", "multinomial", "bernoulli"]


@dataclass(frozen=True)
class Counts:
    """How often each of D words is drawn; the prior is alpha more of each word in each class."""

    alpha: float

    def estimate(self, x: Any, r: Array) -> Params:
        n = self.alpha + (x.T @ r).T
        return {"log_p": np.log(n) - np.log(n.sum(1, keepdims=True))}

    def log_density(self, x: Any, params: Params) -> Array:
        density: Array = x @ params["log_p"].T
        return density

    def log_prior(self, params: Params) -> float:
        return self.alpha * float(params["log_p"].sum())


@dataclass(frozen=True)
class Presence:
    """Which of D words there are; the prior is alpha more rows with, and without, each word in each class."""

    alpha: float

    def estimate(self, x: Any, r: Array) -> Params:
        present, n = (x.T @ r).T, r.sum(0)[:, np.newaxis]
        log_n = np.log(n + 2 * self.alpha)
        # rounding may take a sum of weights past their total
        absent = np.maximum(n - present, 0)
        return {"log_p": np.log(self.alpha + present) - log_n, "log_q": np.log(self.alpha + absent) - log_n}

    def log_density(self, x: Any, params: Params) -> Array:
        log_p, log_q = params["log_p"], params["log_q"]
        density: Array = x @ (log_p - log_q).T + log_q.sum(1)
        return density

    def log_prior(self, params: Params) -> float:
        return self.alpha * float(params["log_p"].sum() + params["log_q"].sum())


class NaiveBayesClassifier(ClassicalClassifier):
    """Columns independent given the class; unlabeled rows teach which columns go together, by EM.

    Columns are not independent, so unlabeled rows can hurt: look at `likelihood_gain_`, `label_likelihood_gain_` and a
    comparison with `baseline()`. Probabilities are too sure of themselves for the same reason.

    Parameters
    ----------
    distribution : "gaussian" for numbers, "multinomial" for counts or TF-IDF, "bernoulli" for presence (above 0)
    lambda_u : weight of an unlabeled row; a labeled one has 1
    alpha : smoothing of "multinomial" and "bernoulli", above 0 (the paper takes 1)
    prior_rows : smoothing of "gaussian": how many rows the prior of the variances counts for
    max_iter : EM steps; 0 fits the labels alone
    tol : stop when a step gains less than this in log-likelihood per row
    folds : held-out folds of the labels for the two gains, each costing one more fit; 0 for none
    verbose : "auto" and True show progress (in logs a line now and then), False nothing

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_ : as everywhere
    transduction_ : (N,) the given label of each labeled row, the likeliest class of every other
    class_shares_ : (K,)
    params_ : "log_p" (K, D), log of each word's probability; "bernoulli" also "log_q", that of its absence;
        "gaussian": "means" and "covariances" (K, D)
    likelihood_gain_, label_likelihood_gain_ : held-out log p(x, y) and log p(y | x) per labeled row with unlabeled
        rows, minus without; None where they cannot be measured (see `GaussianMixtureClassifier`). The second falls
        also where probabilities become too sure and classes stay right, which is common here
    history_ : list of dicts "step", "log_posterior" (the objective above), never falling
    n_iter_, converged_ : EM steps, and whether `tol` was reached

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot; ResourceError : memory

    Examples
    --------
    >>> from fewlabels.classical.naive_bayes import NaiveBayesClassifier
    >>> words = [[3, 0, 0], [0, 0, 3], [2, 2, 0], [0, 1, 2], [0, 3, 0]]  # the second word comes with the first
    >>> model = NaiveBayesClassifier(distribution="multinomial").fit(words, ["sport", "art", None, None, None])
    >>> model.predict([[0, 1, 0]]).tolist()
    ['sport']
    """

    takes_sparse = True
    likelihood_gain_: float | None
    label_likelihood_gain_: float | None

    def __init__(
        self,
        *,
        distribution: Distribution = "gaussian",
        lambda_u: float = 1.0,
        alpha: float = 0.1,
        prior_rows: float = 1.0,
        max_iter: int = 100,
        tol: float = 1e-3,
        folds: int = 3,
        verbose: Verbose = "auto",
    ) -> None:
        self.distribution = distribution
        self.lambda_u = lambda_u
        self.alpha = alpha
        self.prior_rows = prior_rows
        self.max_iter = max_iter
        self.tol = tol
        self.folds = folds
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = ClassicalClassifier.__sklearn_tags__(self)
        tags.input_tags.sparse = self.distribution != "gaussian"
        # scikit-learn's checks train on clouds of numbers, which are no counts of words
        tags.input_tags.positive_only = tags.classifier_tags.poor_score = self.distribution == "multinomial"
        return tags

    def baseline(self) -> Self:
        """The same model of the labeled rows alone."""
        return type(self)(**(self.get_params(deep=False) | {"lambda_u": 0.0}))

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to all rows of X; y marks unlabeled rows with -1, None, NaN or ""."""
        with memory_errors():
            self._check_options()
            x, data = self._enter(X, y)
            x = self._as_words(x)
            arrays = 4 * held_bytes(x) + 8 * data.n_classes * (6 * x.shape[0] + 6 * x.shape[1])
            check_memory(arrays, "naive Bayes", "Use fewer columns or rows, or a sparse X.")
            codes = np.full(x.shape[0], -1)
            codes[data.labeled] = data.y
            em = EM(self._family(), self.lambda_u, self.max_iter, self.tol)
            fitted, gain = em.fit_and_gain(x, codes, self.folds, self.verbose)
            self.likelihood_gain_, self.label_likelihood_gain_ = (gain.joint, gain.label) if gain else (None, None)
            self.history_, self.converged_ = fitted.history, fitted.converged
            self.n_iter_ = len(fitted.history) - 1
            self.params_, self.class_shares_ = fitted.mixture.params, fitted.mixture.shares
            self._remember_classes(data, class_proba(fitted.mixture, x))
        return self

    def _check_options(self) -> None:
        check_choice("distribution", self.distribution, ("gaussian", "multinomial", "bernoulli"))
        check_number("lambda_u", self.lambda_u, 0)
        check_number("alpha", self.alpha, 1e-10)
        check_number("prior_rows", self.prior_rows, 1e-3)
        check_number("max_iter", self.max_iter, 0, whole=True)
        check_number("tol", self.tol, 0)
        check_number("folds", self.folds, 0, whole=True)

    def _family(self) -> MakeFamily:
        if self.distribution == "gaussian":
            return partial(Gaussians.around, covariance="diag", prior_rows=self.prior_rows)
        family: Family = Counts(self.alpha) if self.distribution == "multinomial" else Presence(self.alpha)
        return lambda x, weight: family

    def _as_words(self, x: Any) -> Any:
        """Rows as the distribution takes them."""
        if self.distribution == "gaussian":
            if issparse(x):
                raise InputError(
                    "X is sparse, and distribution='gaussian' needs dense rows. Use X.toarray(), or 'multinomial' or "
                    "'bernoulli' for counts."
                )
            return x
        if self.distribution == "bernoulli":
            return (x > 0).astype(np.float64)
        least = x.data.min(initial=0) if issparse(x) else x.min()
        if least < 0:
            raise InputError(
                f"Negative values in data passed to NaiveBayesClassifier: X goes down to {least:g}, and "
                "distribution='multinomial' needs counts of at least 0. Use 'gaussian' for such columns."
            )
        return x

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) probabilities, columns as in `classes_`."""
        x = self._as_words(self._rows(X))
        family: Family
        if self.distribution == "gaussian":
            family = Gaussians("diag", 0.0, np.empty(0))
        else:
            family = Counts(self.alpha) if self.distribution == "multinomial" else Presence(self.alpha)
        return class_proba(Mixture(family, self.class_shares_, self.params_, np.arange(len(self.classes_))), x)
