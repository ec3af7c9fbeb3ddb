"""How common is each class among the unlabeled rows? An estimate, never an alarm.

Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities", Neural
Computation 2002. With the shares pi of the labeled rows and the model's probabilities p(k | u), iterate

.. math::

    q_k \\leftarrow \\frac1M \\sum_u \\frac{p(k | u) q_k / \\pi_k}{\\sum_j p(j | u) q_j / \\pi_j}

It supposes that each class looks the same on both sides and only the shares differ. An alarm "the labeled share lies
outside the estimate's interval" is wrong in 7 to 27 % of harmless data sets, so there is none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fewlabels.audits.finding import Finding
from fewlabels.audits.view import View

Floats = NDArray[np.float64]

LEAST_AUC, LEAST_MOVE = 0.60, 0.05  # a shift must be this large to matter
_SHOWN = 6


def shares(view: View) -> Finding:
    """The estimated shares beside those of the labels; the value is half the sum of the differences."""
    if view.data.classes is None:
        return Finding("shares", "not applicable", None, "The labels are numbers, not classes.")
    if view.by_label.too_few:
        return Finding("shares", "skipped", None, view.by_label.too_few)
    given, estimated = _both(view)
    moved = float(np.abs(given - estimated).sum() / 2)
    # of two classes both differ alike: rounding must not order them
    order = np.argsort(-np.abs(given - estimated).round(9), kind="stable")[:_SHOWN]
    list_of = "; ".join(f"{view.name(k)!r} {_percent(given[k])} and {_percent(estimated[k])}" for k in order)
    most = " (those that differ most)" if len(given) > _SHOWN else ""
    text = (
        f"Share among the labeled rows, and estimated among the unlabeled ones{most}: {list_of}. Together they differ "
        f"by {100 * moved:.0f} points. This is an estimate: it supposes that each class looks the same on both sides, "
        f"and with {len(view.y)} labels some points are chance. It matters to methods that align their guesses with "
        "the labels' shares."
    )
    names = [view.name(k) for k in range(len(given))]
    evidence = {
        "labeled": dict(zip(names, given.tolist(), strict=True)),
        "unlabeled, estimated": dict(zip(names, estimated.tolist(), strict=True)),
    }
    return Finding("shares", "ok", moved, text + view.by_label.sampled, evidence)


def matters(view: View, auc: float) -> bool:
    """Whether a shift is large: the sides can be told apart with this AUC, or class shares moved by 5 points."""
    if auc >= LEAST_AUC or view.data.classes is None:
        return auc >= LEAST_AUC
    given, estimated = _both(view)
    return bool(np.abs(given - estimated).sum() / 2 >= LEAST_MOVE)


def _both(view: View) -> tuple[Floats, Floats]:
    given = np.bincount(view.y, minlength=view.data.n_classes) / len(view.y)
    return given, mlls(view.probabilities[1], given)


def mlls(p: Floats, prior: Floats, tolerance: float = 1e-6, most: int = 1000) -> Floats:
    """Class shares (K,) of the rows whose probabilities p (M, K) came from a model trained with `prior` (K,)."""
    ratio = np.divide(p, prior, out=np.zeros_like(p), where=prior > 0)
    q = prior.copy()
    for _ in range(most):
        joint = ratio * q
        new: Floats = (joint / joint.sum(1, keepdims=True)).mean(0)
        if np.abs(new - q).max() < tolerance:
            return new
        q = new
    return q


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
