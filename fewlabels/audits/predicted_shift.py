"""Does a model say other things of the unlabeled rows than of labeled rows it has not seen? Fold-matched BBSD.

Lipton, Wang, Smola, "Detecting and Correcting for Label Shift with Black Box Predictors", ICML 2018, and Rabanser,
Günnemann, Lipton, "Failing Loudly", NeurIPS 2019: for each class the Kolmogorov-Smirnov test between the model's
probabilities on the labeled and on the unlabeled rows, and Bonferroni over classes. Departs from both in what is
compared: out-of-fold labeled rows against unlabeled rows that are each scored by one random fold's model (see
`predictions.py`). It sees less than `shift`, but what it sees concerns the classes.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import kstwo

from fewlabels.audits.features import Floats
from fewlabels.audits.finding import MOST_ROWS, Finding, Suspicion
from fewlabels.audits.shares import matters
from fewlabels.audits.shift import auc, largest_gap
from fewlabels.audits.view import View


def predicted_shift(view: View) -> Finding | Suspicion:
    """Look when the predicted probabilities differ by more than chance and by enough to matter."""
    if view.data.classes is None:
        return Finding("predicted_shift", "not applicable", None, "The labels are numbers, not classes.")
    if view.by_label.too_few:
        return Finding("predicted_shift", "skipped", None, view.by_label.too_few)
    p_l, p_u = view.probabilities
    p, gaps = bbsd(p_l, p_u)
    k = int(gaps.argmax())
    apart = auc(p_l[:, k], p_u[:, k])
    size = max(apart, 1 - apart)
    more = "less" if apart > 0.5 else "more"
    evidence = {
        "largest gap": float(gaps[k]),
        "class": view.name(k),
        "AUC": size,
        "mean probability, labeled": float(p_l[:, k].mean()),
        "mean probability, unlabeled": float(p_u[:, k].mean()),
        "labeled rows compared": len(p_l),
        "unlabeled rows compared": len(p_u),
    }
    alarm = (
        f"A simple model finds class {view.name(k)!r} {more} often among the unlabeled rows than among labeled rows it "
        f"has not seen: {100 * p_u[:, k].mean():.0f} % against {100 * p_l[:, k].mean():.0f} % on average. Either the "
        "classes are not as common there as among the labels, or the rows are of another kind. Methods that trust such "
        "guesses carry the error on. Compare the estimated shares below, and label some unlabeled rows at "
        "random." + view.by_label.sampled
    )
    calm = (
        "A simple model says much the same of unlabeled rows as of labeled rows it has not seen (largest gap "
        f"{gaps[k]:.2f}, class {view.name(k)!r}; 0 is none, 1 is complete)." + view.by_label.sampled
    )
    order = np.argsort(p_u[:, k] if more == "less" else -p_u[:, k], kind="stable")[:MOST_ROWS]
    return Suspicion(
        p,
        matters(view, size),
        Finding("predicted_shift", "look", size, alarm, evidence, tuple(view.rows_u[order].tolist())),
        Finding("predicted_shift", "ok", size, calm, evidence),
    )


def bbsd(p_l: Floats, p_u: Floats) -> tuple[float, Floats]:
    """p over all classes, and each class's KS distance (K,), of probabilities (L, K) and (M, K).

    Of two classes one is tested: the other's probability is one minus it.
    """
    n, m = len(p_l), len(p_u)
    gaps = np.array([largest_gap(p_l[:, k], p_u[:, k]) for k in range(p_l.shape[1])])
    tested = gaps[1:] if len(gaps) == 2 else gaps
    # the limit of the two-sample distance with n m / (n + m) rows in place of the one-sample n
    p = float(kstwo.sf(tested.max(), max(1, round(n * m / (n + m)))))
    return min(1.0, len(tested) * p), gaps
