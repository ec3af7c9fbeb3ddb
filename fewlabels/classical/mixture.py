r"""Gaussian mixture. Nigam et al., "Text Classification from Labeled and Unlabeled Documents using EM", 2000.

.. math:: \max_\theta \sum_{i \in L} \log \sum_{c \in C(y_i)} \pi_c N(x_i; \mu_c, \Sigma_c)
          + \lambda_u \sum_{i \in U} \log \sum_c \pi_c N(x_i; \mu_c, \Sigma_c) + \log p(\theta)

Gaussian components in place of the paper's words; C(k) are the components of class k. A covariance that few rows
determine is singular, and the likelihood then has no maximum. So each has the conjugate prior of Fraley & Raftery
("Bayesian regularization for normal mixture estimation", Journal of Classification 24, 2007), which counts as nu rows
whose variances are those of all training rows; S_c is the weighted scatter and n_c the weight of component c:

.. math:: \Sigma_c = (S_c + \nu\, \mathrm{diag}(s^2)) / (n_c + \nu)

This is an exact M-step, so EM never descends; no covariance falls below nu / (n + nu) of the columns' variances. The
means have no prior (that paper's is weak), s^2 is not divided by a power of the number of components, and nu is 1, not
D + 2: with D + 2 and correlated columns EM merged the classes (breast_cancer, 20 labels of seeds 1000 to 1007: accuracy
0.65 against 0.92).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from fewlabels.classical.base import ClassicalClassifier
from fewlabels.classical.checking import check_choice, check_number
from fewlabels.classical.em import EM, Array, Mixture, Params, posterior
from fewlabels.data.memory import check_memory, memory_errors
from fewlabels.progress import Verbose

Covariance = Literal["full", "tied", "diag", "spherical"]


@dataclass(frozen=True)
class Gaussians:
    """Gaussian components; `spread` (D,) and `prior_rows` are the prior's s^2 and nu."""

    covariance: str
    prior_rows: float
    spread: Array

    @classmethod
    def around(cls, x: Array, weight: Array, *, covariance: str, prior_rows: float) -> Gaussians:
        """With the prior's variances from the rows and their weights."""
        mean = np.average(x, axis=0, weights=weight)
        spread = np.average((x - mean) ** 2, axis=0, weights=weight)
        # A column that is constant here (but for rounding) may vary in other rows: it gets the others' mean variance.
        constant = spread <= np.maximum((1e-12 * mean) ** 2, 1e-200)
        spread[constant] = 1.0 if constant.all() else spread[~constant].mean()
        return cls(covariance, prior_rows, spread)

    def estimate(self, x: Array, r: Array) -> Params:
        n = r.sum(0)
        means = (r.T @ x) / np.maximum(n, np.finfo(float).tiny)[:, np.newaxis]
        scatter = np.stack([self._scatter(x - mean, w) for mean, w in zip(means, r.T, strict=True)])
        nu, prior = self.prior_rows, self.spread
        if self.covariance in ("full", "tied"):
            prior = np.diag(prior)
        if self.covariance == "tied":
            return {"means": means, "covariances": (scatter.sum(0) + nu * prior) / (n.sum() + nu)}
        over = (n + nu).reshape(-1, *[1] * prior.ndim)
        covariances = (scatter + nu * prior) / over
        return {"means": means, "covariances": covariances.mean(1) if self.covariance == "spherical" else covariances}

    def _scatter(self, centred: Array, w: Array) -> Array:
        full = self.covariance in ("full", "tied")
        scatter: Array = (centred * w[:, np.newaxis]).T @ centred if full else w @ centred**2
        return scatter

    def log_density(self, x: Array, params: Params) -> Array:
        return log_gaussians(x, params, self.covariance)

    def log_prior(self, params: Params) -> float:
        covariances, d = params["covariances"], len(self.spread)
        if self.covariance == "spherical":
            terms = d * np.log(covariances) + self.spread.sum() / covariances
        elif self.covariance == "diag":
            terms = np.log(covariances) + self.spread / covariances
        else:
            root, log_det = _inverse_roots(covariances)
            terms = log_det + (root**2 @ self.spread).sum(-1)
        return -self.prior_rows / 2 * float(np.sum(terms))


def log_gaussians(x: Array, params: Params, covariance: str) -> Array:
    """log N(x; mean, covariance) of every row in every component, (N, C)."""
    means, covariances = params["means"], params["covariances"]
    n_components, d = means.shape
    distance = np.empty((len(x), n_components))
    if covariance in ("full", "tied"):
        roots, log_det = _inverse_roots(covariances.reshape(-1, d, d))
        for c, root in enumerate(np.broadcast_to(roots, (n_components, d, d))):
            whitened = (x - means[c]) @ root.T
            distance[:, c] = np.einsum("nd,nd->n", whitened, whitened)
    else:
        variances = np.broadcast_to(covariances.reshape(n_components, -1), (n_components, d))
        log_det = np.log(variances).sum(1)
        for c in range(n_components):
            distance[:, c] = (x - means[c]) ** 2 @ (1 / variances[c])
    log_density: Array = -0.5 * (distance + log_det + d * np.log(2 * np.pi))
    return log_density


def _inverse_roots(covariances: Array) -> tuple[Array, Array]:
    """The inverse of each Cholesky factor, and the log of each determinant."""
    factors = np.linalg.cholesky(covariances)
    log_det = 2 * np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(-1)
    return np.linalg.inv(factors), log_det


class GaussianMixtureClassifier(ClassicalClassifier):
    """Each class is a Gaussian or several; unlabeled rows help to place them, by EM.

    The model is wrong where classes are not clusters, and unlabeled rows then hurt: look at `likelihood_gain_` and
    `label_likelihood_gain_`. Covariances per class need rows: with many columns take "diag" or "tied".

    Parameters
    ----------
    covariance : "full", "tied" (one for all), "diag" or "spherical" (one variance for all columns: scale them first)
    n_components : Gaussians a class (fewer in a class with fewer rows)
    lambda_u : weight of an unlabeled row; a labeled one has 1
    prior_rows : how many rows the prior of each covariance counts for
    max_iter : EM steps; 0 fits the labels alone
    tol : stop when a step gains less than this in log-likelihood per row
    folds : held-out folds of the labels for the two gains, each costing one more fit; 0 for none
    verbose : "auto" and True show progress (in logs a line now and then), False nothing

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_ : as everywhere
    transduction_ : (N,) the given label of each labeled row, the likeliest class of every other
    means_ : (C, D), components of one class side by side
    covariances_ : (C, D, D), (D, D), (C, D) or (C,)
    component_shares_, component_class_ : (C,) the share of each, and the index of its class
    likelihood_gain_ : held-out log p(x, y) per labeled row with unlabeled rows, minus without; None where it cannot
        be measured (a class with one label, no unlabeled row, lambda_u=0, folds=0). Below 0: the model does not fit
    label_likelihood_gain_ : the same for log p(y | x). It can fall while the rows themselves fit better, which is how
        unlabeled rows hurt a classifier; it also falls where probabilities become too sure and classes stay right
    history_ : list of dicts "step", "log_posterior" (the objective above), never falling
    n_iter_, converged_ : EM steps, and whether `tol` was reached

    Raises
    ------
    InputError : the data cannot be used; OptionError : an option cannot; ResourceError : memory

    Examples
    --------
    >>> import numpy as np
    >>> from fewlabels.classical.mixture import GaussianMixtureClassifier
    >>> X = np.concatenate([np.linspace(0, 1, 20), np.linspace(9, 10, 20)])[:, np.newaxis]
    >>> y = np.full(40, -1)
    >>> y[[3, 4, 25, 26]] = 0, 0, 1, 1
    >>> GaussianMixtureClassifier().fit(X, y).predict([[0.5], [9.5]]).tolist()
    [0, 1]
    """

    likelihood_gain_: float | None
    label_likelihood_gain_: float | None

    def __init__(
        self,
        *,
        covariance: Covariance = "full",
        n_components: int = 1,
        lambda_u: float = 1.0,
        prior_rows: float = 1.0,
        max_iter: int = 100,
        tol: float = 1e-3,
        folds: int = 3,
        verbose: Verbose = "auto",
    ) -> None:
        self.covariance = covariance
        self.n_components = n_components
        self.lambda_u = lambda_u
        self.prior_rows = prior_rows
        self.max_iter = max_iter
        self.tol = tol
        self.folds = folds
        self.verbose = verbose

    def baseline(self) -> Self:
        """The same model of the labeled rows alone."""
        return type(self)(**(self.get_params(deep=False) | {"lambda_u": 0.0}))

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to all rows of X; y marks unlabeled rows with -1, None, NaN or ""."""
        with memory_errors():
            self._check_options()
            x, data = self._enter(X, y)
            n, d = x.shape
            arrays = 8 * (4 * n * d + 6 * n * data.n_classes * self.n_components)
            square = 8 * 3 * data.n_classes * self.n_components * d * d if self.covariance in ("full", "tied") else 0
            check_memory(arrays + square, "the mixture", "Use fewer columns (PCA), fewer rows, or covariance='diag'.")
            codes = np.full(n, -1)
            codes[data.labeled] = data.y
            make = partial(Gaussians.around, covariance=self.covariance, prior_rows=self.prior_rows)
            em = EM(make, self.lambda_u, self.max_iter, self.tol, self.n_components)
            fitted, gain = em.fit_and_gain(x, codes, self.folds, self.verbose)
            self.likelihood_gain_, self.label_likelihood_gain_ = (gain.joint, gain.label) if gain else (None, None)
            self.history_, self.converged_ = fitted.history, fitted.converged
            self.n_iter_ = len(fitted.history) - 1
            self.means_, self.covariances_ = fitted.mixture.params["means"], fitted.mixture.params["covariances"]
            self.component_shares_, self.component_class_ = fitted.mixture.shares, fitted.mixture.owner
            self._remember_classes(data, class_proba(fitted.mixture, x))
        return self

    def _check_options(self) -> None:
        check_choice("covariance", self.covariance, ("full", "tied", "diag", "spherical"))
        check_number("n_components", self.n_components, 1, whole=True)
        check_number("lambda_u", self.lambda_u, 0)
        check_number("prior_rows", self.prior_rows, 1e-3)
        check_number("max_iter", self.max_iter, 0, whole=True)
        check_number("tol", self.tol, 0)
        check_number("folds", self.folds, 0, whole=True)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) probabilities, columns as in `classes_`."""
        x = self._rows(X)
        family = Gaussians(self.covariance, 0.0, np.empty(0))
        params = {"means": self.means_, "covariances": self.covariances_}
        return class_proba(Mixture(family, self.component_shares_, params, self.component_class_), x)


def class_proba(mixture: Mixture, x: Any) -> Array:
    """p(class | x), (N, K)."""
    joint = mixture.log_joint_classes(x)
    return posterior(joint, np.full(len(joint), -1), np.arange(joint.shape[1]))[0]
