"""One paper, one file. `NAMES` maps the name used by `method=` and the command line to its recipe."""

from typing import Any

from fewlabels.methods.adamatch import AdaMatch
from fewlabels.methods.defixmatch import DeFixMatch
from fewlabels.methods.entropy_minimization import EntropyMinimization
from fewlabels.methods.fixmatch import FixMatch
from fewlabels.methods.flexmatch import FlexMatch
from fewlabels.methods.freematch import FreeMatch
from fewlabels.methods.mean_teacher import MeanTeacher
from fewlabels.methods.mixmatch import MixMatch
from fewlabels.methods.pi_model import PiModel
from fewlabels.methods.pseudo_label import PseudoLabel
from fewlabels.methods.remixmatch import ReMixMatch
from fewlabels.methods.softmatch import SoftMatch
from fewlabels.methods.supervised import Supervised
from fewlabels.methods.temporal_ensembling import TemporalEnsembling
from fewlabels.methods.uda import UDA
from fewlabels.methods.vat import VAT

NAMES: dict[str, Any] = {
    "supervised": Supervised,
    "pseudo_label": PseudoLabel,
    "entropy_minimization": EntropyMinimization,
    "pi_model": PiModel,
    "temporal_ensembling": TemporalEnsembling,
    "mean_teacher": MeanTeacher,
    "vat": VAT,
    "mixmatch": MixMatch,
    "remixmatch": ReMixMatch,
    "uda": UDA,
    "fixmatch": FixMatch,
    "flexmatch": FlexMatch,
    "freematch": FreeMatch,
    "softmatch": SoftMatch,
    "adamatch": AdaMatch,
    "defixmatch": DeFixMatch,
}

__all__ = [
    "NAMES",
    "UDA",
    "VAT",
    "AdaMatch",
    "DeFixMatch",
    "EntropyMinimization",
    "FixMatch",
    "FlexMatch",
    "FreeMatch",
    "MeanTeacher",
    "MixMatch",
    "PiModel",
    "PseudoLabel",
    "ReMixMatch",
    "SoftMatch",
    "Supervised",
    "TemporalEnsembling",
]
