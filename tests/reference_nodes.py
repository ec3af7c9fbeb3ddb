"""Slow dense re-derivations of the graph networks, from their papers, in NumPy."""

import numpy as np


def spread(a):
    """D^-1/2 (A + I) D^-1/2, entry by entry."""
    n = len(a)
    own = a + np.eye(n)
    degree = own.sum(1)
    return np.array([[own[i, j] / np.sqrt(degree[i] * degree[j]) for j in range(n)] for i in range(n)])


def gcn(x, a, w1, b1, w2, b2):
    s = spread(a)
    return s @ np.maximum(s @ x @ w1 + b1, 0) @ w2 + b2


def attention(x, a, w, u, v, b):
    """One layer; w (D, H F), u and v (H, F), b (H F)."""
    n, (heads, width) = len(a), u.shape
    out = np.zeros((n, heads, width))
    message = (x @ w).reshape(n, heads, width)
    for h in range(heads):
        for i in range(n):
            near = [j for j in range(n) if a[i, j] > 0 or i == j]
            raw = np.array([u[h] @ message[i, h] + v[h] @ message[j, h] for j in near])
            raw = np.where(raw > 0, raw, 0.2 * raw)
            share = np.exp(raw) / np.exp(raw).sum()
            out[i, h] = sum(p * message[j, h] for p, j in zip(share, near, strict=True))
    return out.reshape(n, -1) + b


def gat(x, a, first, last):
    hidden = attention(x, a, *first)
    return attention(np.where(hidden > 0, hidden, np.exp(hidden) - 1), a, *last)


def appnp(x, a, w1, b1, w2, b2, hops, alpha):
    s = spread(a)
    start = z = np.maximum(x @ w1 + b1, 0) @ w2 + b2
    for _ in range(hops):
        z = (1 - alpha) * s @ z + alpha * start
    return z


def propagated(x, a, hops, alpha):
    s, out = spread(a), x
    for _ in range(hops):
        out = (1 - alpha) * s @ out + alpha * x
    return out


def correct_and_smooth(z, labeled, y, a, alpha_1, alpha_2):
    """Dense inverses; y (L, K) one-hot."""
    degree = a.sum(1)
    s = np.array([[a[i, j] / np.sqrt(degree[i] * degree[j]) if a[i, j] else 0.0 for j in range(len(a))]
                  for i in range(len(a))])  # fmt: skip
    error = np.zeros_like(z)
    error[labeled] = y - z[labeled]
    found = (1 - alpha_1) * np.linalg.inv(np.eye(len(a)) - alpha_1 * s) @ error
    sigma = np.mean([np.abs(error[i]).sum() for i in labeled])
    g = z.copy()
    for i in range(len(a)):
        size = np.abs(found[i]).sum()
        if size > 1e-9:
            g[i] = z[i] + sigma * found[i] / size
    g[labeled] = y
    return (1 - alpha_2) * np.linalg.inv(np.eye(len(a)) - alpha_2 * s) @ g
