"""Slow NumPy derivations of the adaptation terms, written from the papers."""

import numpy as np


def mmd(source, target):
    """Gretton et al. 2012, eq. 3, with five kernels of DAN, pair by pair."""
    rows = [*source, *target]
    squared = [[sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for y in rows] for x in rows]
    apart = sorted(squared[i][j] for i in range(len(rows)) for j in range(len(rows)) if i != j)
    width = apart[(len(apart) - 1) // 2]  # torch's median is the lower one

    def k(i, j):
        return sum(np.exp(-squared[i][j] / (c * width)) for c in (0.25, 0.5, 1, 2, 4)) / 5

    n, m = len(source), len(target)
    of_source = sum(k(i, j) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    of_target = sum(k(n + i, n + j) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return of_source + of_target - 2 * sum(k(i, n + j) for i in range(n) for j in range(m)) / (n * m)


def coral(source, target):
    """Sun & Saenko 2016, eqs. 1 to 3."""

    def covariance(d):
        n = len(d)
        ones = np.ones((1, n)) @ d
        return (d.T @ d - ones.T @ ones / n) / (n - 1)

    return ((covariance(source) - covariance(target)) ** 2).sum() / (4 * source.shape[1] ** 2)


def dann(source, target, w, b):
    """The loss of a linear critic w, b, and its gradients by features (before reversal), w and b; d = 1 is source."""
    loss, by_w, by_b, by_x = 0.0, np.zeros_like(w), 0.0, []
    for rows, d in ((source, 1), (target, 0)):
        for x in rows:
            p = 1 / (1 + np.exp(-(w @ x + b)))
            weight = 0.5 / len(rows)
            loss -= weight * (np.log(p) if d else np.log(1 - p))
            by_x.append(weight * (p - d) * w)
            by_w += weight * (p - d) * x
            by_b += weight * (p - d)
    return loss, np.array(by_x), by_w, by_b


def systematic(weights, first):
    """Which rows n evenly spaced points from `first` / n on fall on, when row i covers a share w_i of the unit line."""
    n, found = len(weights), []
    for k in range(n):
        point, row, upto = (k + first) / n, 0, weights[0] / sum(weights)
        while point >= upto and row < n - 1:
            row += 1
            upto += weights[row] / sum(weights)
        found.append(row)
    return found
