"""fewlabels learns from a few labels and a lot of unlabeled data, and says whether the unlabeled data helped.

Names are loaded when first used, so that ``import fewlabels`` costs milliseconds and does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "CoTrainingClassifier": "classical.co_training",
    "GaussianMixtureClassifier": "classical.mixture",
    "NaiveBayesClassifier": "classical.naive_bayes",
    "SelfTrainingClassifier": "classical.self_training",
    "TriTrainingClassifier": "classical.tri_training",
    "DeepClassifier": "deep",
    "DeepRegressor": "deep",
    "load": "deep",
    "compare": "comparison",
    "Comparison": "comparison",
    "partial": "partial_labels",
    "SemiSupervisedSplit": "data.splits",
    "labeled_scorer": "data.splits",
}
_MODULES = ("augment", "datasets", "errors", "methods", "networks", "parts")

if TYPE_CHECKING:
    import fewlabels.augment as augment
    import fewlabels.datasets as datasets
    import fewlabels.errors as errors
    import fewlabels.methods as methods
    import fewlabels.networks as networks
    import fewlabels.parts as parts
    from fewlabels.classical.co_training import CoTrainingClassifier
    from fewlabels.classical.mixture import GaussianMixtureClassifier
    from fewlabels.classical.naive_bayes import NaiveBayesClassifier
    from fewlabels.classical.self_training import SelfTrainingClassifier
    from fewlabels.classical.tri_training import TriTrainingClassifier
    from fewlabels.comparison import Comparison, compare
    from fewlabels.data.splits import SemiSupervisedSplit, labeled_scorer
    from fewlabels.deep import DeepClassifier, DeepRegressor, load
    from fewlabels.partial_labels import partial

__all__ = [
    "CoTrainingClassifier",
    "Comparison",
    "DeepClassifier",
    "DeepRegressor",
    "GaussianMixtureClassifier",
    "NaiveBayesClassifier",
    "SelfTrainingClassifier",
    "SemiSupervisedSplit",
    "TriTrainingClassifier",
    "augment",
    "compare",
    "datasets",
    "errors",
    "labeled_scorer",
    "load",
    "methods",
    "networks",
    "partial",
    "parts",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"fewlabels.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'fewlabels' has no attribute {name!r}")
    # No module may share a public function's name: importing it would hide the function (so
    # comparison.py holds compare, partial_labels.py holds partial).
    value = globals()[name] = getattr(import_module(f"fewlabels.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
