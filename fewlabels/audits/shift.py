"""Do the unlabeled rows come from where the labeled rows come from, or the target's from where the source's do?

Maximum mean discrepancy.

Gretton, Borgwardt, Rasch, Schölkopf, Smola, "A Kernel Two-Sample Test", JMLR 2012. With a Gaussian kernel k whose width
is the median distance, and the L and M rows assigned to the sides anew 199 times (the observed ones count as one draw):

.. math::

    \\mathrm{MMD}^2 = \\sum_{ij} w_i w_j k(x_i, x_j), \\quad w_i = 1/L \\text{ on the first side, else } -1/M, \\qquad
    p = \\frac{1 + \\#\\{\\text{permutations with a larger MMD}\\}}{200}

The effect is the AUC with which the witness function (mean kernel to one side minus mean kernel to the other, a row
left out of its own mean) tells the sides apart; 0.5 is not at all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from fewlabels.audits.features import Floats
from fewlabels.audits.finding import Finding, Suspicion
from fewlabels.audits.shares import LEAST_AUC, matters
from fewlabels.audits.view import Sides, View
from fewlabels.partial_labels import Partial

PERMUTATIONS = 199
RATIO = 4  # unlabeled rows for each labeled one; more add time and little power
MOST = 2000  # unlabeled rows; the kernel then takes 72 MB
MOST_COLUMNS = 500  # whose distributions are compared; of more, those whose means differ most
_SHOWN = 6

_WHY = (
    "A model trained on the labeled rows may not carry over to the others, and unlabeled rows of another kind can make "
    "it worse. Find out what differs (another device, site or time?), and label some rows like the unlabeled ones."
)
_TRY = (
    " If the model is for rows like the unlabeled ones, let a deep method adapt to them: "
    "fl.DeepClassifier(adapt='mmd') or 'dann', for images 'adabn' first, and judge it on labeled rows from there."
)
_WHY_DOMAIN = (
    "A model trained on source rows may not carry over to the target, and unlabeled target rows may mislead it. "
)
_TRY_DOMAIN = (
    "Let a deep method adapt, fl.DeepClassifier(adapt='mmd') or 'dann', for images 'adabn' first, and judge it on "
    "labeled rows from the target."
)
_TRY_LABELS = "Label some rows of the target, to train on and to judge by."
_CHOSEN = {
    "unknown": "If the labeled rows were chosen by class or by a model, this is to be expected: say so (provenance=). ",
    "random": "",
    "balanced": "As the labeled rows were chosen class by class, they are no random sample; this is to be expected. ",
    "active": "As the labeled rows were chosen by a model, they are no random sample; this is to be expected. ",
}


class Discrepancy(NamedTuple):
    """MMD^2, its p, the witness's AUC, and the witness of both kinds of rows, (A,) and (B,): high is like the first."""

    value: float
    p: float
    auc: float
    witness_a: Floats
    witness_b: Floats


def shift(view: View) -> Finding | Suspicion:
    """Look when two kinds of rows differ by more than chance and by enough to matter.

    They are the labeled and the unlabeled rows, or those of the source and of the target where `domain` marks them.
    """
    sides = view.by_domain or view.by_label
    if sides.too_few:
        return Finding("shift", "skipped", None, sides.too_few)
    rng = view.rng("shift")
    (first, second), (rows_a, rows_b), (features_a, features_b) = sides.names, sides.rows, sides.features
    n = min(len(rows_b), RATIO * len(rows_a), MOST)
    some = np.sort(rng.choice(len(rows_b), n, replace=False))
    found = mmd(features_a, features_b[some], rng)
    unlike_a = rows_a[np.argsort(-found.witness_a, kind="stable")[:_SHOWN]].tolist()
    unlike_b = rows_b[some[np.argsort(found.witness_b, kind="stable")[:_SHOWN]]].tolist()
    columns = differing_columns(view.data, sides)
    evidence: dict[str, Any] = {
        "MMD squared": found.value,
        "AUC": found.auc,
        f"{first} rows compared": len(rows_a),
        f"{second} rows compared": n,
        "features": view.features_are,
        "columns that differ most": columns,
        f"{first} rows unlike the {second}": unlike_a,
        f"{second} rows unlike the {first}": unlike_b,
    }
    telling = [_described(c, sides.names) for c in columns[:3] if c["gap"] > columns[0]["gap"] / 2]
    most = "Most by column: " + "; ".join(telling) + ". " if columns else ""
    alarm = (
        f"{first.capitalize()} and {second} rows differ: of one of each, the {first} one can be told by its features "
        f"in {100 * found.auc:.0f} % of pairs (50 % is chance). {most}{_advice(view)}{sides.sampled}"
    )
    calm = (
        f"No shift was found between {len(rows_a):,} {first} and {n:,} {second} rows (of one of each, the {first} one "
        f"is told in {100 * found.auc:.0f} % of pairs; 50 % is chance). A shift that is small, or that concerns few "
        f"rows, can be missed.{sides.sampled}"
    )
    # how far class shares moved is estimated for the unlabeled rows, which may be of both domains
    large = matters(view, found.auc) if view.by_domain is None else found.auc >= LEAST_AUC
    return Suspicion(
        found.p,
        large,
        Finding("shift", "look", found.auc, alarm, evidence, (*unlike_b, *unlike_a)),
        Finding("shift", "ok", found.auc, calm, evidence),
    )


def _advice(view: View) -> str:
    """What it means and what to do; adaptation where it can be tried and rows were not chosen to differ."""
    can = view.data.classes is not None and not issparse(view.data.x)
    if view.by_domain is not None:
        return _WHY_DOMAIN + (_TRY_DOMAIN if can else _TRY_LABELS)
    return _CHOSEN[view.provenance] + _WHY + (_TRY if can and view.provenance in ("unknown", "random") else "")


def mmd(x_a: Floats, x_b: Floats, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> Discrepancy:
    """The test on features (A, D) and (B, D)."""
    n_a, n_b = len(x_a), len(x_b)
    kernel = gaussian_kernel(np.concatenate([x_a, x_b]))
    weights = np.repeat([1 / n_a, -1 / n_b], [n_a, n_b])
    drawn = np.column_stack([weights, rng.permuted(np.tile(weights, (permutations, 1)), axis=1).T])
    values = np.einsum("ij,ij->j", drawn, kernel @ drawn)
    # a permutation of equal rows gives the same value but for rounding, and must count as no smaller
    p = np.mean(values >= values[0] - 1e-12)
    # a row's own kernel, 1, is left out of the mean over its own side
    to_a, to_b = kernel[:, :n_a].sum(1), kernel[:, n_a:].sum(1)
    witness_a = (to_a[:n_a] - 1) / max(n_a - 1, 1) - to_b[:n_a] / n_b
    witness_b = to_a[n_a:] / n_a - (to_b[n_a:] - 1) / max(n_b - 1, 1)
    return Discrepancy(float(values[0]), float(p), auc(witness_a, witness_b), witness_a, witness_b)


def gaussian_kernel(x: Floats) -> Floats:
    """(N, N) exp(-|x - y|^2 / (2 m^2)), m the median distance between different rows."""
    squared: Floats = cdist(x, x, "sqeuclidean")
    apart = squared[squared > 0]
    width = float(np.median(apart)) if len(apart) else 1.0
    np.exp(np.divide(squared, -2 * width, out=squared), out=squared)
    return squared


def auc(high: Floats, low: Floats) -> float:
    """The share of pairs in which the first is larger, ties by half (Mann-Whitney)."""
    ranks = rankdata(np.concatenate([high, low]))
    n = len(high)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * len(low)))


def differing_columns(data: Partial, sides: Sides) -> list[dict[str, Any]]:
    """Up to 6 columns of a table in which the sides differ most, by the largest gap of their distributions.

    For sparse rows by the shares of rows in which a column is not zero. No test: which columns to look at first.
    """
    x = data.x
    if data.kind != "table":
        return []
    a, b = (x[rows] for rows in sides.rows)
    names = data.feature_names or tuple(f"column {i}" for i in range(x.shape[1]))
    kept = np.arange(x.shape[1])
    if issparse(x):
        center_a, center_b = (np.asarray((side != 0).mean(axis=0)).ravel() for side in (a, b))
        gaps, what = np.abs(center_a - center_b), "share not zero"
    else:
        if len(kept) > MOST_COLUMNS:  # the gaps of all would take too long
            apart = np.abs(a.mean(0) - b.mean(0)) / np.maximum(a.std(0) + b.std(0), 1e-300)
            kept = np.sort(np.argsort(-apart, kind="stable")[:MOST_COLUMNS])
            a, b = a[:, kept], b[:, kept]
        gaps = np.array([largest_gap(a[:, j], b[:, j]) for j in range(len(kept))])
        center_a, center_b, what = np.median(a, 0), np.median(b, 0), "median"
    order = np.argsort(-gaps, kind="stable")[:_SHOWN]
    return [
        {"column": str(names[kept[j]]), "gap": float(gaps[j]), "of": what}
        | {sides.names[0]: float(center_a[j]), sides.names[1]: float(center_b[j])}
        for j in order
    ]


def largest_gap(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The Kolmogorov-Smirnov distance: how far the shares of values below any point lie apart, 0 to 1."""
    points = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(side), points, side="right") / len(side) for side in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _described(column: dict[str, Any], names: tuple[str, str]) -> str:
    a, b = names
    return f"{column['column']} ({column['of']} {column[a]:.3g} {a}, {column[b]:.3g} {b})"
