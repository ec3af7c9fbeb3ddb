r"""Do probabilities mean what they say? Spiegelhalter's Z, reliability by bins, and temperature scaling.

Of rows of which a model is 80 % sure it should be right on 80 %. With p the probability of the predicted class and
r = 1 where it is right, Spiegelhalter, "Probabilistic prediction in patient management and clinical trials", Statistics
in Medicine 1986, has

.. math:: Z = \frac{\sum_i (r_i - p_i)(1 - 2 p_i)}{\sqrt{\sum_i (1 - 2 p_i)^2 p_i (1 - p_i)}}

which is about standard normal where the probabilities are right. Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017, divide all logits by one number, the temperature; it changes no prediction. The expected
calibration error is not here: of 50 rows and perfect probabilities it is 0.11 on average, so it says nothing by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import beta

from fewlabels.errors import InputError
from fewlabels.intervals import wilson

Floats = NDArray[np.float64]

_DRAWS = 1999
_BINS, _FEWEST = 10, 20  # bins at most, rows in each at least: fewer have an interval that spans half of the picture
_HOTTEST = 100.0  # temperatures from 1 / 100 to 100: beyond, all probabilities are 0 and 1, or all are equal


@dataclass(frozen=True)
class Calibration:
    """Spiegelhalter's test of one model's answers.

    Attributes
    ----------
    n : rows
    confidence, accuracy : mean probability of the predicted class, and share of rows that are right
    z : Spiegelhalter's Z. Where probabilities are above 1/2, negative means less sure than right, positive too sure
    p : how often right probabilities would give a Z at least as far from 0
    """

    n: int
    confidence: float
    accuracy: float
    z: float
    p: float


@dataclass(frozen=True)
class Bin:
    """Rows of about the same confidence: how many, its mean, the share that is right, and its Wilson interval."""

    n: int
    confidence: float
    right: float
    low: float
    high: float


def spiegelhalter(confidence: ArrayLike, right: ArrayLike, seed: int = 0) -> Calibration:
    """Test whether predictions are right as often as they say.

    p comes from 1,999 simulated outcomes of the same probabilities. The normal distribution would do for many doubtful
    rows; for models that are 99.9 % sure everywhere, one mistake decides, and it alarms too often.

    Parameters
    ----------
    confidence : (n,) probability of the predicted class; right : (n,) whether it is the true one

    Examples
    --------
    >>> import numpy as np
    >>> from fewlabels.calibration import spiegelhalter
    >>> sure = np.full(100, 0.9)
    >>> spiegelhalter(sure, np.arange(100) < 90).p > 0.5, spiegelhalter(sure, np.arange(100) < 60).p < 0.01
    (True, True)
    """
    p, r = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    weight, spread = 1 - 2 * p, float(np.sqrt(np.sum((1 - 2 * p) ** 2 * p * (1 - p))))
    seen = float(np.sum((r - p) * weight))
    slack = 1e-9 * float(np.abs(weight).sum())  # a sum in another order may fall short by rounding
    far = np.count_nonzero(np.abs(_simulated(p, weight, np.random.default_rng(seed))) >= abs(seen) - slack)
    z = seen / spread if spread > 0 else 0.0 if abs(seen) <= slack else float(np.copysign(np.inf, seen))
    return Calibration(p.size, float(p.mean()), float(r.mean()), z, float(1 + far) / (1 + _DRAWS))


def _simulated(p: Floats, weight: Floats, rng: np.random.Generator) -> Floats:
    """The numerator of Z under outcomes drawn from p, a few draws at a time: 16 MB."""
    size = max(1, 2_000_000 // p.size)
    counts = [min(size, _DRAWS - start) for start in range(0, _DRAWS, size)]
    return np.concatenate([((rng.random((k, p.size)) < p) - p) @ weight for k in counts])


def reliability(confidence: ArrayLike, right: ArrayLike, level: float = 0.95) -> tuple[Bin, ...]:
    """Bins of equally many rows, the least sure first: at most 10, of at least 20 rows where there are as many."""
    p, r = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    parts = np.array_split(order, min(_BINS, max(1, len(p) // _FEWEST)))
    bins = []
    for part in parts:
        low, high = wilson(int(r[part].sum()), len(part), level)
        bins.append(Bin(len(part), float(p[part].mean()), float(r[part].mean()), low, high))
    return tuple(bins)


def surely(right: int, n: int, level: float = 0.95) -> float:
    """The share of right ones that is surely reached: lower one-sided limit of Clopper and Pearson, Biometrika 1934."""
    return float(beta.ppf(1 - level, right, n - right + 1)) if right else 0.0


def temperature(probabilities: ArrayLike, codes: ArrayLike) -> float:
    """The temperature under which the true classes of held-out rows are likeliest; above 1 the model was too sure.

    Parameters
    ----------
    probabilities : (n, K), of rows that neither training nor evaluation uses
    codes : (n,) the column of each row's true class

    Raises
    ------
    InputError : other shapes, no rows, a class that has no column, values that are no probabilities

    Examples
    --------
    >>> from fewlabels.calibration import temperature
    >>> temperature([[0.99, 0.01]] * 10, [0] * 7 + [1] * 3) > 1
    True
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(codes)
    if p.ndim != 2 or y.shape != p.shape[:1] or not len(p):
        raise InputError(f"probabilities {p.shape} and codes {y.shape}; expected (n, K) and (n,), n at least 1.")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= p.shape[1]:
        raise InputError(f"codes must be whole numbers from 0 to {p.shape[1] - 1}: the column of the true class.")
    if not np.isfinite(p).all() or p.min() < 0 or p.max() > 1 + 1e-6:
        raise InputError("probabilities must lie between 0 and 1. Of logits, take the softmax first.")
    rows = np.arange(len(y))

    def loss(log_t: float) -> float:
        return float(-np.log(cooled(p, float(np.exp(log_t)))[rows, y] + np.finfo(float).tiny).mean())

    limit = np.log(_HOTTEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))


def cooled(probabilities: Floats, t: float) -> Floats:
    """softmax(log p / t): probabilities (n, K) after division of their logits by the temperature t."""
    if t == 1:
        return probabilities
    logits = np.log(np.maximum(probabilities, np.finfo(float).tiny)) / t
    odds = np.exp(logits - logits.max(1, keepdims=True))
    shares: Floats = odds / odds.sum(1, keepdims=True)
    return shares
