"""The checks before training: one question, one file. A check takes a `View` and returns a `Finding` or a `Suspicion`.

To add one, write its file and add it to CHECKS; CONTRIBUTING.md has the recipe.
"""

from __future__ import annotations

from collections.abc import Callable

from fewlabels.audits.duplicates import duplicates
from fewlabels.audits.finding import Finding, Suspicion
from fewlabels.audits.imbalance import imbalance
from fewlabels.audits.neighbors import neighbors
from fewlabels.audits.open_set import open_set
from fewlabels.audits.power import power
from fewlabels.audits.predicted_shift import predicted_shift
from fewlabels.audits.provenance import provenance
from fewlabels.audits.scarcity import scarcity
from fewlabels.audits.schema import schema
from fewlabels.audits.shares import shares
from fewlabels.audits.shift import shift
from fewlabels.audits.view import View

__all__ = ["CHECKS"]

# in the order in which they are shown
CHECKS: tuple[Callable[[View], Finding | Suspicion], ...] = (
    schema,
    duplicates,
    scarcity,
    imbalance,
    provenance,
    power,
    shift,
    predicted_shift,
    shares,
    open_set,
    neighbors,
)
