"""What linear estimators share: scores and gradients of dense or sparse rows without a second copy of X."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import issparse

from fewlabels.classical.checking import LARGEST
from fewlabels.errors import OptionError

Floats = NDArray[np.float64]

# Rows looked at together where a temporary array as large as X must be avoided.
_CHUNK = 4096


@dataclass(frozen=True)
class Columns:
    """Rows x (N, D) seen as ``(x - center) * scale``, which is never written out: CSR stays sparse."""

    x: Any
    center: Floats
    scale: Floats

    def scores(self, weights: Floats) -> Floats:
        """Weights (D, K) of the scaled columns -> scores (N, K)."""
        scaled = self.scale[:, None] * weights
        product: Floats = self.x @ scaled - self.center @ scaled
        return product

    def gradient(self, slopes: Floats) -> Floats:
        """Derivatives with respect to the scores (N, K) -> with respect to the weights (D, K)."""
        summed: Floats = self.x.T @ slopes - np.outer(self.center, slopes.sum(0))
        return self.scale[:, None] * summed

    def unscaled(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """The same scores as ``x @ coef.T + intercept``: coef (K, D), intercept (K,)."""
        coef = (self.scale[:, None] * weights).T
        return coef, bias - coef @ self.center


def row_mean(x: Any, rows: NDArray[np.int64]) -> Floats:
    """The mean of some rows of x (N, D), without copying them."""
    share = np.zeros(x.shape[0])
    share[rows] = 1 / len(rows)
    mean: Floats = x.T @ share
    return mean


def column_scale(x: Any, standardize: bool) -> Floats:
    """Factors that give dense columns variance 1 / D, so that rows have an average squared length of 1.

    TF-IDF rows have that length already, so one C means the same for both. Sparse columns, and all with
    ``standardize=False``, keep their scale. A constant column gets 0: it tells nothing.
    """
    n, width = x.shape
    if not standardize or issparse(x):
        return np.ones(width)
    mean = x.mean(0)
    squares = np.zeros(width)
    largest = np.zeros(width)
    for start in range(0, n, _CHUNK):
        rows = x[start : start + _CHUNK]
        squares += np.square(rows - mean).sum(0)
        np.maximum(largest, np.abs(rows).max(0), out=largest)
    deviation = np.sqrt(squares / n)
    flat = deviation <= 1e-12 * largest
    scale: Floats = np.where(flat, 0.0, 1 / np.where(flat, 1.0, deviation * np.sqrt(width)))
    return scale


def annealed(lambda_u: float, steps: int) -> list[float]:
    """Weights of the unlabeled term that double from step to step and end at `lambda_u`."""
    return [lambda_u * 2.0 ** (step - steps) for step in range(1, steps + 1)]


def descend(
    objective: Callable[[Floats], tuple[float, Floats]], start: Floats, max_iter: int, tol: float
) -> tuple[Floats, int, bool]:
    """L-BFGS until no derivative exceeds `tol`: the minimum, its iterations, and whether it got there."""
    # The default test on the objective stops too early where a step of the annealing changes little.
    options = {"maxiter": max_iter, "maxfun": 2 * max_iter + 20, "gtol": tol, "ftol": 1e-14}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    # Without progress in the last digits (status 2) the search is at its end too.
    return found.x, int(found.nit), bool(found.status != 1)


def check_number(name: str, value: object, low: float, *, above: bool = False) -> float:
    """A finite number of at least `low` (or above it).

    Raises
    ------
    OptionError : it is not
    """
    most = float(np.finfo(np.float64).max)
    real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not real or not low <= value <= most or (above and value == low):  # type: ignore[operator]
        raise OptionError(f"{name}={value!r}; expected a number {'above' if above else 'of at least'} {low:g}.")
    return float(value)  # type: ignore[arg-type]


def check_whole(name: str, value: object, low: int) -> int:
    """A whole number of at least `low`.

    Raises
    ------
    OptionError : it is not
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= LARGEST:
        raise OptionError(f"{name}={value!r}; expected a whole number of at least {low}.")
    return int(value)


def softmax(scores: Floats) -> Floats:
    """Rows of scores (N, K) -> probabilities."""
    shares: Floats = np.exp(scores - scores.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares
