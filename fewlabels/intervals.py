"""Intervals and tests of paired results, as pure functions of numbers.

Sources are in each docstring; the measured false alarms and coverage are in tests/test_verdict.py.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import binom, norm
from scipy.stats import t as student


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of one proportion (Wilson, JASA 1927, the score interval); (0, 1) when n is 0."""
    if n == 0:
        return 0.0, 1.0
    z, p = float(norm.ppf((1 + level) / 2)), successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # the limit at 0 and at n successes is exact in algebra, so rounding must not move it
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def mcnemar_midp(wins: int, losses: int) -> float:
    """Two-sided mid-p of McNemar's test (Fagerland, Lydersen, Laake, BMC Med Res Methodol 13:91, 2013)."""
    discordant, fewer = wins + losses, min(wins, losses)
    return float(min(1.0, 2 * binom.cdf(fewer, discordant, 0.5) - binom.pmf(fewer, discordant, 0.5)))


def newcombe_paired(both: int, wins: int, losses: int, neither: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of the candidate's accuracy minus the baseline's (Newcombe, Stat Med 17:2635, method 10).

    The distances from each proportion to its Wilson limits are combined as two sides of a triangle whose
    angle is the correlation phi of the pairs; phi is continuity-corrected when positive.
    """
    n = both + wins + losses + neither
    candidate, baseline = (both + wins) / n, (both + losses) / n
    candidate_low, candidate_high = wilson(both + wins, n, level)
    baseline_low, baseline_high = wilson(both + losses, n, level)
    margins = (both + wins) * (losses + neither) * (both + losses) * (wins + neither)
    cross = float(both * neither - wins * losses)
    phi = (max(cross - n / 2, 0.0) if cross > 0 else cross) / sqrt(margins) if margins else 0.0

    def apart(one: float, other: float) -> float:
        return sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))

    difference = candidate - baseline
    low = difference - apart(candidate - candidate_low, baseline_high - baseline)
    return low, difference + apart(candidate_high - candidate, baseline - baseline_low)


def paired_bootstrap(differences: ArrayLike, n: int = 2000, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """BCa interval of the mean of paired differences (Efron, JASA 82:171, 1987), from `n` resamples.

    For a mean the jackknife acceleration is a skewness, so it costs one pass instead of one refit a row.
    Limits: too narrow below some 50 rows (90-93 % where 95 % is asked), and it has no width when all the
    differences are the same. Callers must not conclude from it alone on fewer than 20 rows.
    """
    d = np.asarray(differences, dtype=np.float64)
    if np.ptp(d) == 0:
        return float(d[0]), float(d[0])
    rng, centre = np.random.default_rng(seed), d.mean()
    means = np.concatenate([d[rng.integers(0, d.size, (k, d.size))].mean(axis=1) for k in _chunks(n, d.size)])
    below = np.mean(means < centre) + np.mean(means == centre) / 2
    bias = norm.ppf(np.clip(below, 0.5 / n, 1 - 0.5 / n))
    spread = d - centre
    acceleration = np.sum(spread**3) / (6 * np.sum(spread**2) ** 1.5)
    z = bias + norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(means, norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def sign_flip_p(differences: ArrayLike, n: int = 1999, seed: int = 0) -> float:
    """Two-sided p of "swapping the two models changes nothing": the mean under random signs (Fisher 1935).

    Exact when a difference and its negative are equally likely; the observed signs count as one draw. With
    skewed differences of mean zero it holds for large n (together with the BCa interval, measured on exponential
    differences: 6.3 % false alarms at n = 20, 4.5 % at 60, 4.2 % at 200).
    """
    d = np.asarray(differences, dtype=np.float64)
    rng, seen = np.random.default_rng(seed), abs(d.sum())
    slack = 1e-12 * np.abs(d).sum()  # a sum in another order may fall short by rounding
    sums = [(2.0 * rng.integers(0, 2, (k, d.size), dtype=np.int8) - 1.0) @ d for k in _chunks(n, d.size)]
    return float((1 + np.count_nonzero(np.abs(np.concatenate(sums)) >= seen - slack)) / (n + 1))


def _chunks(n: int, width: int) -> list[int]:
    """Split n draws of `width` numbers so that each chunk stays near 16 MB."""
    size = max(1, 2_000_000 // width)
    return [min(size, n - start) for start in range(0, n, size)]


def nadeau_bengio(differences: ArrayLike, ratio: float, level: float = 0.95) -> tuple[float, float, float]:
    """Corrected resampled t (Nadeau and Bengio, Machine Learning 52:239, 2003): low, high, two-sided p of a mean.

    The J differences come from splits of the same rows, so they are correlated: the variance of their mean is taken as
    (1/J + ratio) s^2, `ratio` being rows held out over rows trained on, with J - 1 degrees of freedom. A heuristic;
    measured false alarms at 5 % between equally good learners, J = 5: 7.0, 5.5 and 4.6 % with 40, 100 and 400 labels
    (1,000 data sets each, tests/test_repeats.py).
    """
    d = np.asarray(differences, dtype=np.float64)
    return _t(float(d.mean()), float((1 / d.size + ratio) * d.var(ddof=1)), d.size - 1, level)


def seeds_and_rows(gains: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Low, high, two-sided p of the mean of gains (J, n): J seeds, the same n rows each time, both drawn at random.

    The variance of the mean is that over seeds, s_J^2 / J, plus that over rows of what a row gains on average,
    s_n^2 / n (crossed random effects, the interaction counted twice, so never too small), with Satterthwaite's degrees
    of freedom. Over seeds alone a method that draws nothing at random would have an interval without width.
    """
    g = np.asarray(gains, dtype=np.float64)
    seeds, rows = (g.mean(axis).var(ddof=1) / g.shape[1 - axis] for axis in (1, 0))
    total = seeds + rows
    freedom = 1.0 if total == 0 else total**2 / (seeds**2 / (g.shape[0] - 1) + rows**2 / (g.shape[1] - 1))
    return _t(float(g.mean()), float(total), float(freedom), level)


def _t(mean: float, variance: float, freedom: float, level: float) -> tuple[float, float, float]:
    if variance == 0:  # without any spread there is no scale to judge the mean by
        return mean, mean, 1.0
    error = sqrt(variance)
    half = float(student.ppf((1 + level) / 2, freedom)) * error
    return mean - half, mean + half, float(2 * student.sf(abs(mean) / error, freedom))


def smallest_detectable(n: int, disagreement: float, *, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true gain that n labels find with this power; None when they can find none at all.

    Solves n g^2 = (z_(1-alpha/2) sqrt(d) + z_power sqrt(d - g^2))^2 for g (Connor, Biometrics 1987), where d,
    `disagreement`, is the share of rows on which exactly one of the two models is right; g cannot exceed d.
    """
    d, z_alpha, z_power = disagreement, float(norm.ppf(1 - alpha / 2)), float(norm.ppf(power))

    def lacking(g: float) -> float:
        return z_alpha * sqrt(d) + z_power * sqrt(max(d - g * g, 0.0)) - g * sqrt(n)

    if d <= 0 or lacking(d) > 0:
        return None
    return float(brentq(lacking, 0.0, d))
