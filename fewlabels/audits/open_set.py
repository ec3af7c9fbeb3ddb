"""Are there unlabeled rows unlike every labeled row: of an unknown class, another device, or broken?

The score of a row is its mean distance to the 3 nearest labeled rows. With L labels, k = floor((L + 1) / 10) and t the
k-th largest score among the labeled rows (each without itself), the number X of the M unlabeled rows that score at
least t is

.. math::

    X \\sim \\mathrm{BetaBinomial}(M, k, L + 1 - k)

if all come from one source. A binomial with chance k / (L + 1) takes t for known: it is wrong in 9 to 39 % of harmless
data sets. So that both kinds of row have L - 1 others to be near to, an unlabeled row ignores one labeled row at
random. Equal scores are ordered by chance.

Departs from this with 300 labels or more, where scores that share their neighbors are too much alike (measured with 400
labels: 4.9 to 7.8 % alarms on six kinds of harmless data). A random half of the labeled rows is then what rows are near
to, and L counts the other half, which makes the distribution exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom

from fewlabels.audits.features import Floats
from fewlabels.audits.finding import MOST_ROWS, Finding, Suspicion
from fewlabels.audits.view import View
from fewlabels.graph.neighbors import nearest

NEIGHBORS = 3
SHARE = 0.1
SPLIT_FROM = 300  # labels
LEAST_EXCESS = 0.05  # of the unlabeled rows; fewer strangers do little


class Strangers(NamedTuple):
    """p, how many unlabeled rows reach the threshold, how many are expected to, and each one's share of labeled rows
    that are at least as far (M,)."""

    p: float
    reached: int
    expected: float
    shares: Floats


def open_set(view: View) -> Finding | Suspicion:
    """Look when more unlabeled rows are far from all labeled ones than chance explains, 5 % of them or more."""
    if view.by_label.too_few:
        return Finding("open_set", "skipped", None, view.by_label.too_few)
    rng = view.rng("open_set")
    measure = halves if len(view.rows_l) >= SPLIT_FROM else distances
    scores_l, scores_u = measure(view.features_l, view.features_u, rng)
    found = strangers(scores_l, scores_u, rng)
    order = np.argsort(-scores_u, kind="stable")[:MOST_ROWS]
    n, n_u = len(scores_l), len(scores_u)
    share, excess = found.reached / n_u, (found.reached - found.expected) / n_u
    evidence = {
        "unlabeled rows beyond the threshold": found.reached,
        "expected": found.expected,
        "labeled rows compared": n,
        "unlabeled rows": n_u,
        "farthest rows": view.rows_u[order].tolist(),
        "their share of labeled rows at least as far": found.shares[order].tolist(),
        "features": view.features_are,
    }
    seen = (
        f"{100 * share:.0f} % of the unlabeled rows are as far from all labeled rows as the farthest tenth of the "
        "labeled ones"
    )
    alarm = (
        f"{seen}; about {100 * found.expected / n_u:.0f} % were to be expected. Some may belong to no known class, or "
        "be broken or of another source. A model will force a class on each, and methods that learn from their guesses "
        "learn errors. Look at the farthest rows, and take out, or label, what does not belong." + view.by_label.sampled
    )
    calm = (
        f"{seen}; {100 * found.expected / n_u:.0f} % were to be expected. Strangers that are few, or near the labeled "
        "rows, can be missed." + view.by_label.sampled
    )
    rows = tuple(view.rows_u[order].tolist())
    return Suspicion(
        found.p,
        excess >= LEAST_EXCESS,
        Finding("open_set", "look", share, alarm, evidence, rows),
        Finding("open_set", "ok", share, calm, evidence),
    )


def distances(x_l: Floats, x_u: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Mean distance to the nearest 3 labeled rows but oneself (L,), and but one at random (M,)."""
    own = nearest(x_l, NEIGHBORS).distance.mean(1)
    found = nearest(x_l, NEIGHBORS + 1, x_u)
    ignored = rng.integers(0, len(x_l), len(x_u))
    hit = found.index == ignored[:, None]
    # drop the ignored row where it is among the 4 nearest, else the farthest of them
    drop = np.where(hit.any(1), hit.argmax(1), NEIGHBORS)
    total = found.distance.sum(1) - found.distance[np.arange(len(x_u)), drop]
    return own, total / NEIGHBORS


def halves(x_l: Floats, x_u: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Mean distance to the nearest 3 rows of one half of the labeled ones: of the other half, and (M,)."""
    order = rng.permutation(len(x_l))
    near, others = x_l[order[: len(x_l) // 2]], x_l[order[len(x_l) // 2 :]]
    return nearest(near, NEIGHBORS, others).distance.mean(1), nearest(near, NEIGHBORS, x_u).distance.mean(1)


def strangers(scores_l: Floats, scores_u: Floats, rng: np.random.Generator) -> Strangers:
    """The test on the scores of labeled (L,) and unlabeled (M,) rows."""
    n, m = len(scores_l), len(scores_u)
    k = max(1, int(SHARE * (n + 1)))
    place = _places(scores_l, scores_u, rng)
    threshold = np.sort(place[:n])[n - k]
    reached = int((place[n:] >= threshold).sum())
    p = float(betabinom.sf(reached - 1, m, k, n + 1 - k))
    at_least = n - np.searchsorted(np.sort(scores_l), scores_u, side="left")
    return Strangers(p, reached, m * k / (n + 1), (1 + at_least) / (n + 1))


def _places(scores_l: Floats, scores_u: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """The place of each score in the order of all, ties by chance."""
    both = np.concatenate([scores_l, scores_u])
    place = np.empty(len(both), dtype=np.int64)
    place[np.lexsort((rng.random(len(both)), both))] = np.arange(len(both))
    return place
