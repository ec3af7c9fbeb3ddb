"""Do the unlabeled rows come from where the labeled rows come from? Maximum mean discrepancy.

Gretton, Borgwardt, Rasch, Schölkopf, Smola, "A Kernel Two-Sample Test", JMLR 2012. With a Gaussian kernel k whose width
is the median distance, and labels l and u drawn anew 199 times (the observed ones count as one draw):

.. math::

    \\mathrm{MMD}^2 = \\sum_{ij} w_i w_j k(x_i, x_j), \\quad w_i = 1/L \\text{ if labeled, else } -1/M, \\qquad
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
from fewlabels.audits.shares import matters, too_few
from fewlabels.audits.view import View

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
_CHOSEN = {
    "unknown": "If the labeled rows were chosen by class or by a model, this is to be expected: say so (provenance=). ",
    "random": "",
    "balanced": "As the labeled rows were chosen class by class, they are no random sample; this is to be expected. ",
    "active": "As the labeled rows were chosen by a model, they are no random sample; this is to be expected. ",
}


class Discrepancy(NamedTuple):
    """MMD^2, its p, the witness's AUC, and the witness of labeled (L,) and unlabeled (M,) rows: high is like L."""

    value: float
    p: float
    auc: float
    witness_l: Floats
    witness_u: Floats


def shift(view: View) -> Finding | Suspicion:
    """Look when labeled and unlabeled rows differ by more than chance and by enough to matter."""
    if too_few(view):
        return Finding("shift", "skipped", None, too_few(view))
    rng = view.rng("shift")
    n = min(len(view.rows_u), RATIO * len(view.rows_l), MOST)
    some = np.sort(rng.choice(len(view.rows_u), n, replace=False))
    found = mmd(view.features_l, view.features_u[some], rng)
    unlike_l = view.rows_l[np.argsort(-found.witness_l, kind="stable")[:_SHOWN]].tolist()
    unlike_u = view.rows_u[some[np.argsort(found.witness_u, kind="stable")[:_SHOWN]]].tolist()
    columns = differing_columns(view)
    evidence: dict[str, Any] = {
        "MMD squared": found.value,
        "AUC": found.auc,
        "labeled rows compared": len(view.rows_l),
        "unlabeled rows compared": n,
        "features": view.features_are,
        "columns that differ most": columns,
        "labeled rows unlike the unlabeled": unlike_l,
        "unlabeled rows unlike the labeled": unlike_u,
    }
    telling = [_described(c) for c in columns[:3] if c["gap"] > columns[0]["gap"] / 2]
    most = "Most by column: " + "; ".join(telling) + ". " if columns else ""
    alarm = (
        "Labeled and unlabeled rows differ: of one of each, the labeled one can be told by its features in "
        f"{100 * found.auc:.0f} % of pairs (50 % is chance). {most}{_CHOSEN[view.provenance]}{_WHY}"
        f"{_adapt(view)}{view.sampled}"
    )
    calm = (
        f"No shift was found between {len(view.rows_l):,} labeled and {n:,} unlabeled rows (of one of each, the "
        f"labeled one is told in {100 * found.auc:.0f} % of pairs; 50 % is chance). A shift that is small, or that "
        f"concerns few rows, can be missed.{view.sampled}"
    )
    return Suspicion(
        found.p,
        matters(view, found.auc),
        Finding("shift", "look", found.auc, alarm, evidence, (*unlike_u, *unlike_l)),
        Finding("shift", "ok", found.auc, calm, evidence),
    )


def _adapt(view: View) -> str:
    """What to try, where it can be tried and rows were not chosen to differ."""
    can = view.data.classes is not None and not issparse(view.data.x)
    return _TRY if can and view.provenance in ("unknown", "random") else ""


def mmd(x_l: Floats, x_u: Floats, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> Discrepancy:
    """The test on labeled (L, D) and unlabeled (M, D) features."""
    n_l, n_u = len(x_l), len(x_u)
    kernel = gaussian_kernel(np.concatenate([x_l, x_u]))
    weights = np.repeat([1 / n_l, -1 / n_u], [n_l, n_u])
    drawn = np.column_stack([weights, rng.permuted(np.tile(weights, (permutations, 1)), axis=1).T])
    values = np.einsum("ij,ij->j", drawn, kernel @ drawn)
    # a permutation of equal rows gives the same value but for rounding, and must count as no smaller
    p = np.mean(values >= values[0] - 1e-12)
    # a row's own kernel, 1, is left out of the mean over its own side
    to_l, to_u = kernel[:, :n_l].sum(1), kernel[:, n_l:].sum(1)
    witness_l = (to_l[:n_l] - 1) / max(n_l - 1, 1) - to_u[:n_l] / n_u
    witness_u = to_l[n_l:] / n_l - (to_u[n_l:] - 1) / max(n_u - 1, 1)
    return Discrepancy(float(values[0]), float(p), auc(witness_l, witness_u), witness_l, witness_u)


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


def differing_columns(view: View) -> list[dict[str, Any]]:
    """Up to 6 columns of a table in which the sides differ most, by the largest gap of their distributions.

    For sparse rows by the shares of rows in which a column is not zero. No test: which columns to look at first.
    """
    x = view.data.x
    if view.data.kind != "table":
        return []
    a, b = x[view.rows_l], x[view.rows_u]
    names = view.data.feature_names or tuple(f"column {i}" for i in range(x.shape[1]))
    kept = np.arange(x.shape[1])
    if issparse(x):
        center_l, center_u = (np.asarray((side != 0).mean(axis=0)).ravel() for side in (a, b))
        gaps, what = np.abs(center_l - center_u), "share not zero"
    else:
        if len(kept) > MOST_COLUMNS:  # the gaps of all would take too long
            apart = np.abs(a.mean(0) - b.mean(0)) / np.maximum(a.std(0) + b.std(0), 1e-300)
            kept = np.sort(np.argsort(-apart, kind="stable")[:MOST_COLUMNS])
            a, b = a[:, kept], b[:, kept]
        gaps = np.array([largest_gap(a[:, j], b[:, j]) for j in range(len(kept))])
        center_l, center_u, what = np.median(a, 0), np.median(b, 0), "median"
    order = np.argsort(-gaps, kind="stable")[:_SHOWN]
    return [
        {"column": str(names[kept[j]]), "gap": float(gaps[j]), "of": what}
        | {"labeled": float(center_l[j]), "unlabeled": float(center_u[j])}
        for j in order
    ]


def largest_gap(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The Kolmogorov-Smirnov distance: how far the shares of values below any point lie apart, 0 to 1."""
    points = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(side), points, side="right") / len(side) for side in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _described(column: dict[str, Any]) -> str:
    return f"{column['column']} ({column['of']} {column['labeled']:.3g} labeled, {column['unlabeled']:.3g} unlabeled)"
