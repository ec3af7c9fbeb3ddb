"""Labeled here, deployed there: what any method can add when source and target rows differ. One paper, one file."""

from __future__ import annotations

from typing import Any

from fewlabels.adapt.adabn import AdaBN
from fewlabels.adapt.adapting import Adapting, Term
from fewlabels.adapt.coral import CORAL
from fewlabels.adapt.dann import DANN
from fewlabels.adapt.importance import ImportanceWeighting
from fewlabels.adapt.mmd import MMD
from fewlabels.errors import OptionError, nearest

__all__ = ["CORAL", "DANN", "MMD", "AdaBN", "Adaptation", "Adapting", "ImportanceWeighting", "Term", "as_adaptation"]

Adaptation = Term | AdaBN | ImportanceWeighting
NAMES: dict[str, Any] = {
    "adabn": AdaBN,
    "importance": ImportanceWeighting,
    "coral": CORAL,
    "mmd": MMD,
    "dann": DANN,
}


def as_adaptation(adapt: Any) -> Adaptation | None:
    """A name or a recipe -> a recipe; None stays None.

    Raises
    ------
    OptionError : neither
    """
    if isinstance(adapt, str):
        if adapt not in NAMES:
            raise OptionError(f"adapt={adapt!r} is not known.{nearest(adapt, NAMES)}")
        found: Adaptation = NAMES[adapt]()
        return found
    if adapt is not None and (isinstance(adapt, type) or not isinstance(adapt, Adaptation)):
        raise OptionError(f"adapt={adapt!r}; expected a name or a recipe such as fl.adapt.DANN(lambda_d=0.5).")
    return adapt
