"""One paper, one file. `NAMES` maps the name used by `method=` and the command line to its recipe."""

from typing import Any

from fewlabels.methods.fixmatch import FixMatch
from fewlabels.methods.flexmatch import FlexMatch
from fewlabels.methods.mean_teacher import MeanTeacher
from fewlabels.methods.pseudo_label import PseudoLabel
from fewlabels.methods.supervised import Supervised

NAMES: dict[str, Any] = {
    "supervised": Supervised,
    "pseudo_label": PseudoLabel,
    "mean_teacher": MeanTeacher,
    "fixmatch": FixMatch,
    "flexmatch": FlexMatch,
}

__all__ = ["NAMES", "FixMatch", "FlexMatch", "MeanTeacher", "PseudoLabel", "Supervised"]
