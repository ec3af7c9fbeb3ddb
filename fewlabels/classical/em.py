r"""EM from labeled and unlabeled rows, for any density with a weighted estimate in closed form.

Nigam et al., "Text Classification from Labeled and Unlabeled Documents using EM", Machine Learning 39, 2000.

.. math:: \max_\theta \sum_{i \in L} \log p(x_i, y_i; \theta)
          + \lambda_u \sum_{i \in U} \log \sum_k p(x_i, k; \theta) + \log p(\theta)

A class is one component or several (`owner` says whose each is). E-step: r_ic is the probability of component c given
the row, and given its class where it has a label, so that given labels stay. M-step: estimates with weight 1 for
labeled and lambda_u for unlabeled rows. The components' shares have the prior of one row each (Laplace, as the paper).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fewlabels.classical.checking import stratified_folds
from fewlabels.progress import Verbose, show_progress

Array = NDArray[np.float64]
Params = dict[str, Array]

# Stands for log 0 where a density underflows or overflows, so that no infinity and no NaN can arise from it.
_LOWEST = -1e300


class Family(Protocol):
    """A density of rows in each component."""

    def estimate(self, x: Any, r: Array) -> Params:
        """The likeliest parameters of C components, given the weights r (N, C), under the family's prior."""

    def log_density(self, x: Any, params: Params) -> Array:
        """(N, C)"""

    def log_prior(self, params: Params) -> float:
        """Up to a constant."""


# Rows and their weights -> the family; it may take its prior from them.
MakeFamily = Callable[[Any, Array], Family]


@dataclass(frozen=True)
class Mixture:
    """Fitted: each component's share, parameters and class, components of one class side by side."""

    family: Family
    shares: Array
    params: Params
    owner: NDArray[np.int64]

    def log_joint(self, x: Any) -> Array:
        """log p(x, component), (N, C), finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            log_density = self.family.log_density(x, self.params)
        return np.nan_to_num(log_density, nan=_LOWEST, posinf=-_LOWEST, neginf=_LOWEST) + np.log(self.shares)

    def log_joint_classes(self, x: Any) -> Array:
        """log p(x, class), (N, K)."""
        starts = np.flatnonzero(np.diff(self.owner, prepend=-1))
        joint: Array = np.logaddexp.reduceat(self.log_joint(x), starts, axis=1)
        return joint

    def log_prior(self) -> float:
        return self.family.log_prior(self.params) + float(np.log(self.shares).sum())


class Fitted(NamedTuple):
    mixture: Mixture
    history: list[dict[str, float]]
    converged: bool


class Gain(NamedTuple):
    """Held-out log-likelihood per labeled row with unlabeled rows, minus that without."""

    joint: float
    label: float


@dataclass(frozen=True)
class EM:
    """The options of one fit."""

    make: MakeFamily
    lambda_u: float
    max_iter: int
    tol: float
    n_components: int = 1

    def fit(self, x: Any, codes: NDArray[np.int64]) -> Fitted:
        """`codes` (N,) holds the class of each labeled row, -1 for the others."""
        if self.lambda_u == 0 or self.max_iter == 0:
            x, codes = x[codes >= 0], codes[codes >= 0]
        weight = np.where(codes >= 0, 1.0, self.lambda_u)
        family = self.make(x, weight)
        given = (codes[:, np.newaxis] == np.arange(codes.max() + 1)).astype(float)
        mixture = _estimate(family, x, given, np.arange(given.shape[1]))
        if self.n_components > 1:
            r = posterior(mixture.log_joint(x), codes, mixture.owner)[0] * weight[:, np.newaxis]
            mixture = _estimate(family, x, *_split(x, r, self.n_components))
        return self._climb(x, codes, weight, mixture)

    def _climb(self, x: Any, codes: NDArray[np.int64], weight: Array, mixture: Mixture) -> Fitted:
        history: list[dict[str, float]] = []
        for step in range(self.max_iter + 1):
            r, log_p = posterior(mixture.log_joint(x), codes, mixture.owner)
            objective = float(weight @ log_p) + mixture.log_prior()
            history.append({"step": float(step), "log_posterior": objective})
            if step and objective - history[-2]["log_posterior"] <= self.tol * weight.sum():
                return Fitted(mixture, history, True)
            if step < self.max_iter:
                mixture = _estimate(mixture.family, x, r * weight[:, np.newaxis], mixture.owner)
        return Fitted(mixture, history, False)

    def fit_and_gain(
        self, x: Any, codes: NDArray[np.int64], n_folds: int, verbose: Verbose
    ) -> tuple[Fitted, Gain | None]:
        """The fit, and what the unlabeled rows do to labeled rows that are left out; None where labels are too few."""
        labeled = np.flatnonzero(codes >= 0)
        fold = stratified_folds(codes[labeled], n_folds)
        if fold is None or len(labeled) == len(codes) or self.lambda_u == 0 or self.max_iter == 0:
            return self.fit(x, codes), None
        sums, n = np.zeros(2), int(fold.max()) + 1
        with show_progress(verbose, "EM", 0, n + 1, "fit") as progress:
            fitted = self.fit(x, codes)
            for f in range(n):
                progress.update(f + 1)
                held, rest = labeled[fold == f], np.delete(np.arange(len(codes)), labeled[fold == f])
                alone = labeled[fold != f]
                sums += _held_out(self.fit(x[rest], codes[rest]).mixture, x[held], codes[held])
                sums -= _held_out(self.fit(x[alone], codes[alone]).mixture, x[held], codes[held])
        joint, label = (sums / len(labeled)).tolist()
        return fitted, Gain(joint, label)


def posterior(log_joint: Array, codes: NDArray[np.int64], owner: NDArray[np.int64]) -> tuple[Array, Array]:
    """r (N, C), rows sum to 1, and log p (N,) of what was observed: row and label, or row alone."""
    log_joint = np.where((codes[:, np.newaxis] >= 0) & (codes[:, np.newaxis] != owner), -np.inf, log_joint)
    top = log_joint.max(1, keepdims=True)
    r = np.exp(log_joint - top)
    total = r.sum(1, keepdims=True)
    return r / total, (top + np.log(total))[:, 0]


def _estimate(family: Family, x: Any, r: Array, owner: NDArray[np.int64]) -> Mixture:
    n = r.sum(0)
    return Mixture(family, (1 + n) / (len(n) + n.sum()), family.estimate(x, r), owner)


def _split(x: Any, r: Array, n_parts: int) -> tuple[Array, NDArray[np.int64]]:
    """Each class cut into parts of equal weight along its longest axis: a start that needs no random numbers."""
    parts = []
    for share in r.T:
        centred = x - share @ x / share.sum()
        axis = _longest_axis(centred, share)
        order = np.argsort(centred @ axis, kind="stable")
        before = np.cumsum(share[order]) - share[order] / 2
        part = np.empty(len(order), dtype=np.int64)
        part[order] = np.minimum(n_parts * before / share.sum(), n_parts - 1)
        parts.append(share[:, np.newaxis] * (part[:, np.newaxis] == np.arange(n_parts)))
    cut, owner = np.hstack(parts), np.repeat(np.arange(r.shape[1]), n_parts)
    filled = cut.sum(0) > 0
    return cut[:, filled], owner[filled]


def _longest_axis(centred: Any, share: Array) -> Array:
    """The direction (D,) in which weighted rows vary most, nearly: ten power iterations, no D x D matrix."""
    axis: Array = centred[np.argmax(share * (centred**2).sum(1))]
    for _ in range(10):
        axis = (share * (centred @ axis)) @ centred
        axis = axis / (np.linalg.norm(axis) or 1.0)
    return axis


def _held_out(mixture: Mixture, x: Any, codes: NDArray[np.int64]) -> Array:
    """Sums over rows of log p(x, y) and of log p(y | x)."""
    joint = mixture.log_joint_classes(x)
    own = joint[np.arange(len(codes)), codes]
    return np.array([own.sum(), (own - np.logaddexp.reduce(joint, axis=1)).sum()])
