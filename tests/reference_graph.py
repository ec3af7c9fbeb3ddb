"""Slow derivations of the graph methods, with loops and dense matrices, from the papers alone."""

import math

import numpy as np


def neighbors(x, k, queries=None):
    """(index, distance) of the k nearest by (distance, row); of the rows themselves without queries."""
    index, distance = [], []
    for i, q in enumerate(x if queries is None else queries):
        all_far = ((x - q) ** 2).sum(1).tolist()
        far = sorted((d, j) for j, d in enumerate(all_far) if queries is not None or j != i)[:k]
        index.append([j for _, j in far])
        distance.append([math.sqrt(d) for d, _ in far])
    return np.array(index), np.array(distance)


def weights(x, k):
    """A + A^T with Calder et al.'s weights of the k nearest."""
    index, distance = neighbors(x, k)
    sigma = distance[:, -1]
    w = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        for j in index[i]:
            a = math.exp(-4 * ((x[i] - x[j]) ** 2).sum() / sigma[i] ** 2)
            w[i, j] += a
            w[j, i] += a
    return w


def propagation(w, labeled, y, n_classes):
    """Repeat: every row takes the mean of its neighbors, labeled rows are reset (Zhu and Ghahramani 2002)."""
    f = np.full((len(w), n_classes), 1.0 / n_classes)
    for _ in range(10_000):
        f = w @ f / w.sum(1, keepdims=True)
        for row, code in zip(labeled, y, strict=True):
            f[row] = 0.0
            f[row, code] = 1.0
    return f


def spreading(w, labeled, y, n_classes, alpha):
    """F <- alpha S F + (1 - alpha) Y until it stands still (Zhou et al. 2004), rows then divided by their sum."""
    d = w.sum(1)
    s = np.zeros_like(w)
    for i in range(len(w)):
        for j in range(len(w)):
            s[i, j] = w[i, j] / math.sqrt(d[i] * d[j])
    target = np.zeros((len(w), n_classes))
    target[labeled, y] = 1.0
    f = target
    for _ in range(10_000):
        f = alpha * s @ f + (1 - alpha) * target
    return f / f.sum(1, keepdims=True)


def poisson(w, labeled, y, n_classes):
    """The paper's algorithm 1: U <- U + D^-1 (B - L U), for a connected graph; u, not yet corrected."""
    d = w.sum(1)
    laplacian = np.diag(d) - w
    one_hot = np.eye(n_classes)[y]
    source = np.zeros((len(w), n_classes))
    source[labeled] = one_hot - one_hot.mean(0)
    u = np.zeros_like(source)
    for _ in range(20_000):
        u = u + (source - laplacian @ u) / d[:, None]
    return u


def extension(x, k, queries, known):
    """Weighted means of the k nearest training rows' values."""
    index, distance = neighbors(x, k, queries)
    out = []
    for near, far in zip(index, distance, strict=True):
        w = np.array([math.exp(-4 * d**2 / far[-1] ** 2) for d in far])
        out.append(sum(wi * known[j] for wi, j in zip(w, near, strict=True)) / w.sum())
    return np.array(out)
