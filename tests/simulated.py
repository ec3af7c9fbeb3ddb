"""Learners and curves whose truth is known, for the tests of repeats and budgets and for benchmarks/budget.py."""

import numpy as np

from fewlabels.budget.planning import draw_plan
from fewlabels.budget.power_law import doubt, draw_means, fit
from fewlabels.partial_labels import partial

SIZES = np.array([20.0, 40, 80, 160, 320])
SHARE = 0.3  # held out, so any two repeats share as much of their noise


def law(n, a, b, c):
    return a + b * n**-c


def repeats(rng, curve, sd=0.02, n=5, share=SHARE):
    """(n, S) errors around a known curve: noise of the data set, of each repeat, and of both at each size."""

    def noise(rows, scale):
        return scale * np.sqrt(0.5) * (rng.normal(size=(rows, 1)) + rng.normal(size=(rows, len(SIZES))))

    return law(SIZES, *curve) + sd * (noise(1, np.sqrt(share)) + noise(n, np.sqrt(1 - share)))


def coverage(rng, curve, draws, sd=0.02):
    """How often something is said of twice the labels, and of these how often error and gain are in their intervals."""
    ratio, spoken, covered, gains = SHARE / (1 - SHARE), 0, 0, 0
    for _ in range(draws):
        errors = repeats(rng, curve, sd)
        if doubt(SIZES, errors, ratio):
            continue
        drawn = fit(SIZES, draw_means(errors, ratio, rng, 300))
        spoken += 1
        low, high = np.quantile(drawn.at(640), [0.025, 0.975])
        covered += low <= law(640, *curve) <= high
        low, high = np.quantile(drawn.at(320) - drawn.at(640), [0.025, 0.975])
        gains += low <= law(320, *curve) - law(640, *curve) <= high
    return spoken / draws, covered / spoken, gains / spoken


def equal_learners(rng, n, splits, share):
    """Differences of two nearest-centroid rules on features of one law: equally good, whatever the split."""
    y = np.arange(n) % 2
    x = rng.normal(size=(n, 2, 3)) + 0.6 * y[:, None, None] * np.array([1, 0, 0])
    differences, held = [], round(share * n)
    for _ in range(splits):
        order = rng.permutation(n)
        out, fit = order[:held], order[held:]
        one, other = (x[fit][y[fit] == c].mean(0) for c in (0, 1))
        guess = ((x[out] - one) ** 2).sum(2) > ((x[out] - other) ** 2).sum(2)
        right = (guess == y[out][:, None]).mean(0)
        differences.append(right[1] - right[0])
    return differences


def centroids(rng, sizes, n=100):
    """Accuracies (S,) of two nearest-centroid rules of one law at nested sizes, five repeats: (5, S, 2)."""
    y = np.arange(n) % 2
    x = rng.normal(size=(n, 2, 3)) + 0.8 * y[:, None, None] * np.array([1, 0, 0])
    part = partial(np.zeros((n, 1)), y)
    found = np.empty((5, len(sizes), 2))
    for repeat in range(5):
        plan = draw_plan(part, 3 * n // 10, int(rng.integers(2**31)))
        held, order = plan.held_out, plan.order
        for place, size in enumerate(sizes):
            known = order[:size]
            one, other = (x[known][y[known] == c].mean(0) for c in (0, 1))
            guess = ((x[held] - one) ** 2).sum(2) > ((x[held] - other) ** 2).sum(2)
            found[repeat, place] = (guess == y[held][:, None]).mean(0)
    return found
