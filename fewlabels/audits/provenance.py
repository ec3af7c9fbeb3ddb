"""How were the labeled rows chosen? It decides what may be claimed from them."""

from __future__ import annotations

from math import exp, lgamma, log

import numpy as np
from numpy.typing import NDArray

from fewlabels.audits.finding import Finding, Suspicion
from fewlabels.audits.view import View

_BALANCED = (
    "so that rare classes are over-represented among the labels. Accuracy on a part of these labels then weighs every "
    "class alike and is not the accuracy on new rows, and a shift between labeled and unlabeled rows is to be "
    "expected. Judge on test rows that were drawn at random."
)
_SAID = {
    "random": (
        "ok",
        "You said the labeled rows were drawn at random: a score on held-out labels then speaks of new rows.",
    ),
    "balanced": ("look", f"You said the labeled rows were chosen class by class, {_BALANCED}"),
    "active": (
        "look",
        "You said the labeled rows were chosen because a model was unsure of them. They are harder than the rest: a "
        "score on a part of them says nothing about new rows. Label some rows at random, and judge on these.",
    ),
}


def provenance(view: View) -> Finding | Suspicion:
    """Look when rows were chosen by class or by a model, or when all classes have suspiciously equal counts."""
    if view.provenance != "unknown":
        level, text = _SAID[view.provenance]
        return Finding("provenance", level, None, text, {"chosen": view.provenance})  # type: ignore[arg-type]
    if view.data.classes is None:
        return Finding("provenance", "skipped", None, f"Not checked: {_ASK}", {"chosen": "unknown"})
    counts = np.bincount(view.data.y, minlength=view.data.n_classes)
    p = chance_of_equal(counts)
    evidence = {"chosen": "unknown", "fewest labels of a class": int(counts.min()), "most": int(counts.max())}
    alarm = Finding(
        "provenance",
        "look",
        float(counts.max() - counts.min()),
        f"All classes have {_range(counts)} labels, which random choice hardly ever gives. The rows seem to have been "
        f"chosen class by class, {_BALANCED} Say provenance='balanced' if so.",
        evidence,
    )
    calm = Finding("provenance", "skipped", None, f"The numbers of labels do not look planned. {_ASK}", evidence)
    return Suspicion(p, True, alarm, calm)


_ASK = (
    "Whether rows were labeled because a model was unsure of them, or because they came first, cannot be seen in data. "
    "Say provenance='random', 'balanced' or 'active'."
)


def _range(counts: NDArray[np.int64]) -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} or {high}"


def chance_of_equal(counts: NDArray[np.int64]) -> float:
    """The largest chance, over all class shares, that random labels are spread as evenly as they can be.

    1 unless the counts differ by at most one. Then it is ``C(K, r) n! / prod(n_k!) K^-n``, where r classes have one
    more than the others: the probability of each arrangement summed over all of them is Schur-concave in the class
    shares, so that equal shares make it largest. It is exact and seldom small: two classes need over 250 labels.
    """
    n, k = int(counts.sum()), len(counts)
    if counts.max() - counts.min() > 1:
        return 1.0
    r = n % k
    ways = lgamma(k + 1) - lgamma(r + 1) - lgamma(k - r + 1)
    return min(1.0, exp(ways + lgamma(n + 1) - sum(lgamma(c + 1) for c in counts.tolist()) - n * log(k)))
