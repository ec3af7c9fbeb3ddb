"""Self-training, co-training and tri-training as their papers' pseudo-code reads; shares no code with the package."""

import math

import numpy as np
from sklearn.base import clone


def self_training(base, X, y, threshold=None, k_best=None, per_class=False, max_iter=10):
    """Labels, and the round of each; y holds 0..K-1 and -1. No relabeling."""
    label, since = list(y), [0 if v >= 0 else -1 for v in y]
    model = None
    for step in range(1, max_iter + 1):
        known = [i for i, v in enumerate(label) if v >= 0]
        open_rows = [i for i, v in enumerate(label) if v < 0]
        model = clone(base).fit(X[known], [label[i] for i in known])
        if not open_rows:
            break
        guesses = []
        for i in open_rows:
            p = model.predict_proba(X[i : i + 1])[0].tolist()
            guesses.append((max(p), i, p.index(max(p))))
        if threshold is not None:
            chosen = [g for g in guesses if g[0] > threshold]
        else:
            guesses.sort(key=lambda g: (-g[0], g[1]))
            groups = [[g for g in guesses if g[2] == c] for c in sorted({g[2] for g in guesses})]
            chosen = [g for group in groups for g in group[:k_best]] if per_class else guesses[:k_best]
        if not chosen:
            break
        for _, i, c in chosen:
            label[i], since[i] = c, step
    known = [i for i, v in enumerate(label) if v >= 0]
    model = clone(base).fit(X[known], [label[i] for i in known])
    return model, label, since


def co_training(bases, views, y, per_round, pool_size, max_iter, order):
    """Labels and the round of each; `order` is the order in which unlabeled rows enter the pool."""
    label, since = list(y), [0 if v >= 0 else -1 for v in y]
    count = {c: sum(v == c for v in y) for c in set(y) if c >= 0}
    rarest = min(count.values())
    quota = {c: int(np.rint(per_round * n / rarest)) for c, n in count.items()}
    waiting = list(order)
    for step in range(1, max_iter + 1):
        if not waiting:
            break
        known = [i for i, v in enumerate(label) if v >= 0]
        pool = waiting[:pool_size]
        claims = {}
        for base, X in zip(bases, views, strict=True):
            model = clone(base).fit(X[known], [label[i] for i in known])
            proba = {i: model.predict_proba(X[i : i + 1])[0].tolist() for i in pool}
            for c in sorted(quota):
                mine = [i for i in pool if proba[i].index(max(proba[i])) == c]
                mine.sort(key=lambda i: -max(proba[i]))
                for i in mine[: quota[c]]:
                    if i not in claims or max(proba[i]) > claims[i][0]:
                        claims[i] = (max(proba[i]), c)
        if not claims:
            break
        for i, (_, c) in claims.items():
            label[i], since[i] = c, step
        waiting = [i for i in waiting if label[i] < 0]
    known = [i for i, v in enumerate(label) if v >= 0]
    models = [clone(base).fit(X[known], [label[i] for i in known]) for base, X in zip(bases, views, strict=True)]
    return models, label, since


def teach(e, e_last, n_agreed, n_last):
    """Table 1 of Zhou & Li for one classifier: how many of the agreed rows it learns from (None: no update)."""
    if not e < e_last:
        return None
    if n_last == 0:
        n_last = math.floor(e / (e_last - e) + 1)
    if n_last < n_agreed:
        if e * n_agreed < e_last * n_last:
            return n_agreed
        if n_last > e / (e_last - e):
            return math.ceil(e_last * n_last / e - 1)
    return None


def agreement(base_views, y, folds):
    """Observed and expected agreement of two classifiers on held-out labels."""
    guesses = []
    for base, X in base_views:
        guess = [None] * len(y)
        for f in set(folds):
            rest = [i for i in range(len(y)) if folds[i] != f]
            model = clone(base).fit(X[rest], [y[i] for i in rest])
            for i in range(len(y)):
                if folds[i] == f:
                    guess[i] = model.predict(X[i : i + 1])[0]
        guesses.append(guess)
    observed = sum(a == b for a, b in zip(*guesses, strict=True)) / len(y)
    expected = 0.0
    for c in set(y):
        rows = [i for i in range(len(y)) if y[i] == c]
        for said in set(y):
            first = sum(guesses[0][i] == said for i in rows) / len(rows)
            second = sum(guesses[1][i] == said for i in rows) / len(rows)
            expected += len(rows) / len(y) * first * second
    return observed, expected
