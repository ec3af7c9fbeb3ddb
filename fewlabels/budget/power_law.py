r"""An error's curve against the number of labels, carried on a little way.

.. math:: e(n) = \max(0, a + b \, n^{-c}), \quad b \ge 0, \; 0.05 \le c \le 2

Inverse power laws fit learning curves well in many cases and badly in some (Viering and Loog, "The Shape of Learning
Curves", TPAMI 2022), so nothing is said beyond twice the largest number of labels, nor where the points do not bear it.

The uncertainty is that of the measured means: curves are drawn from a t distribution around them whose covariance is
that of the repeats, widened by Nadeau and Bengio's factor (1/J + held out / rest), and each one is fitted anew. The
asymptote a may be negative in a fit (the error never is): with a >= 0 intervals of gains covered 80 to 86 % where the
error falls to 0, and 93 to 97 % without (tests/test_power_law.py; 95 % asked).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewlabels.intervals import nadeau_bengio

Floats = NDArray[np.float64]

FEWEST_SIZES = 4  # one more than the law has parameters
LEAST_SPAN = 4.0  # largest over smallest size: a shorter piece of the curve is a straight line
FURTHEST = 2.0  # times the largest size
DRAWS = 2000
_POWERS = np.geomspace(0.05, 2.0, 40)


@dataclass(frozen=True)
class Law:
    """Fitted parameters of D curves, each (D,)."""

    a: Floats
    b: Floats
    c: Floats

    def at(self, n: float) -> Floats:
        """(D,) the errors with n labels."""
        return np.maximum(0, self.a + self.b * n**-self.c)


def fit(sizes: Floats, errors: Floats) -> Law:
    """Least squares for each of the curves `errors` (D, S); a grid over c, and for each c the best a and b >= 0."""
    x = sizes[None, :] ** -_POWERS[:, None]  # (C, S)
    centre, spread = x.mean(1), x.var(1)
    mean = errors.mean(1, keepdims=True)  # (D, 1)
    slope = np.maximum(0, (errors @ (x - centre[:, None]).T) / len(sizes) / spread)  # (D, C)
    level = mean - slope * centre
    misfit = ((errors[:, None, :] - level[..., None] - slope[..., None] * x) ** 2).sum(2)
    best = misfit.argmin(1)
    rows = np.arange(len(errors))
    return Law(level[rows, best], slope[rows, best], _POWERS[best])


def draw_means(scores: Floats, ratio: float, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """(draws, S) means that the repeats `scores` (J, S) leave possible."""
    repeats = len(scores)
    around = scores - scores.mean(0)
    normal = rng.standard_normal((draws, repeats)) @ around / np.sqrt(repeats - 1)
    student = normal / np.sqrt(rng.chisquare(repeats - 1, (draws, 1)) / (repeats - 1))
    return np.asarray(scores.mean(0) + np.sqrt(1 / repeats + ratio) * student)


def doubt(sizes: Floats, errors: Floats, ratio: float) -> str:
    """Why these repeats (J, S) do not bear an extrapolation; empty when they do."""
    if len(sizes) < FEWEST_SIZES:
        return f"{len(sizes)} sizes are too few; at least {FEWEST_SIZES} are needed"
    if sizes[-1] < LEAST_SPAN * sizes[0]:
        return f"the largest size is less than {LEAST_SPAN:g} times the smallest"
    if nadeau_bengio(errors[:, 0] - errors[:, -1], ratio)[0] <= 0:
        return "more labels did not lower its error by more than chance explains"
    law = fit(sizes, errors.mean(0)[None])
    for place, size in enumerate(sizes):
        low, high, _ = nadeau_bengio(errors[:, place], ratio)
        if not low <= law.at(size)[0] <= high:
            return f"no inverse power law passes through its interval at {size:.0f} labels"
    return ""
