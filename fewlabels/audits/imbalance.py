"""Is one class so common that accuracy hides the others?"""

from __future__ import annotations

import numpy as np

from fewlabels.audits.finding import Finding
from fewlabels.audits.view import View

RATIO = 10  # labels of the most common class for one of the rarest


def imbalance(view: View) -> Finding:
    """Look when the most common class has 10 times the labels of the rarest."""
    if view.data.classes is None:
        return Finding("imbalance", "not applicable", None, "The labels are numbers, not classes.")
    counts = np.bincount(view.data.y, minlength=view.data.n_classes)
    most, least = int(counts.argmax()), int(counts.argmin())
    ratio, share = float(counts[most] / counts[least]), counts[most] / counts.sum()
    equal = f"All {len(counts)} classes have {counts[most]:,} labels."
    seen = (
        f"Class {view.name(most)!r} has {counts[most]:,} labels and class {view.name(least)!r} has {counts[least]:,} "
        f"({ratio:.1f} to 1)."
    )
    seen = equal if ratio == 1 else seen
    always = f"Saying {view.name(most)!r} for every row would be right on {100 * share:.0f} % of the labeled rows"
    if ratio >= RATIO:
        text = (
            f"{seen} {always}, so accuracy says little about the rare class, and methods that trust their own guesses "
            "tend to give the rare class up. Look at each class by itself, or at balanced accuracy."
        )
    else:
        text = f"{seen} {always}: accuracy must be read against that."
    evidence = {
        "share of the most common class": float(share),
        "most common": view.name(most),
        "rarest": view.name(least),
    }
    return Finding("imbalance", "look" if ratio >= RATIO else "ok", ratio, text, evidence)
