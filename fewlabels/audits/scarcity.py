"""Are there too few labels in some class?"""

from __future__ import annotations

import numpy as np

from fewlabels.audits.finding import Finding
from fewlabels.audits.view import View
from fewlabels.intervals import wilson

FEW = 5  # below this, one label more or less can decide what a model makes of the class
FEW_NUMBERS = 20


def scarcity(view: View) -> Finding:
    """Look when a class has fewer than 5 labels, or when the test set has a class that has none."""
    data = view.data
    if data.classes is None:
        return _numbers(len(data.y))
    counts = np.bincount(data.y, minlength=data.n_classes)
    per_class = dict(zip(map(str, data.classes.tolist()), counts.tolist(), strict=True))
    unseen = [] if view.y_test is None else sorted(set(view.y_test.tolist()) - set(data.classes.tolist()), key=str)
    fewest, few = int(counts.min()), [name for name, n in per_class.items() if n < FEW]
    low, high = wilson(round(0.85 * fewest), fewest)
    said = []
    if unseen:
        said.append(
            f"The test set has classes without any label: {', '.join(map(str, unseen[:5]))}. Label some rows of each."
        )
    if few:
        names = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        said.append(
            f"{len(few)} of {data.n_classes} classes have fewer than {FEW} labels ({names}; the fewest: {fewest}). "
            "Another choice of so few rows can change a model a lot, and too few are left to check it. Label more of "
            "these classes first, or try several choices of labels before you believe a result."
        )
    calm = (
        f"Every class has at least {fewest} labels. Even a model that is right on 85 % of a class would, on as many "
        f"rows, be known only to within {100 * low:.0f} to {100 * high:.0f} %."
    )
    evidence = {"labels of each class": per_class, "classes of the test set without labels": list(map(str, unseen))}
    return Finding("scarcity", "look" if said else "ok", float(fewest), " ".join(said) or calm, evidence)


def _numbers(n: int) -> Finding:
    few = n < FEW_NUMBERS
    text = f"{n:,} rows have a number." + (
        f" Below {FEW_NUMBERS}, a model rests on a few rows and cannot be checked. Label more." if few else ""
    )
    return Finding("scarcity", "look" if few else "ok", float(n), text, {"labels": n})
